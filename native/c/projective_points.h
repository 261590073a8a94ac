/* The two functions on points that OpenSSL 3 deprecates without a replacement.
 *
 * Where the library has lost them (meson.build looks) they fail here. The self-test at import sees that, and encryption
 * takes the EVP route. */
#ifndef PUSHMILL_PROJECTIVE_POINTS_H
#define PUSHMILL_PROJECTIVE_POINTS_H

#include <openssl/ec.h>

#ifndef HAS_PROJECTIVE_POINTS
#define EC_POINTs_make_affine(group, count, points, context) 0
#define EC_POINT_get_Jprojective_coordinates_GFp(group, point, x, y, z, context) 0
#endif

#endif
