/* What OpenSSL 3 deprecates and has nothing equal for: two functions on points, and SHA-256 as a state that can be copied.
 *
 * Where the library has lost them (meson.build looks) they fail here. The self-test at import sees that, and encryption
 * takes the EVP route. */
#ifndef PUSHMILL_LOW_LEVEL_H
#define PUSHMILL_LOW_LEVEL_H

#include <openssl/ec.h>
#include <openssl/sha.h>

#ifndef HAS_LOW_LEVEL
#define EC_POINTs_make_affine(group, count, points, context) 0
#define EC_POINT_get_Jprojective_coordinates_GFp(group, point, x, y, z, context) 0
#define SHA256_CTX struct pushmill_no_state
struct pushmill_no_state { unsigned char unused; };
#define SHA256_Init(state) 0
#define SHA256_Update(state, octets, length) 0
#define SHA256_Final(digest, state) 0
#endif

#endif
