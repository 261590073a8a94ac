/* Rules, separated by ';': OPERATION PATTERN N ACTION [ARGUMENT]

   OPERATION  write (write, pwrite, ftruncate, fallocate), sync (fsync, fdatasync), name (rename, unlink)
   PATTERN    of fnmatch, for the name inside the folder; "." is the folder itself
   N          the n-th such call, or "N+" for it and all after
   ACTION     error ERRNO | sleep MILLISECONDS | swallow (say yes, do nothing) | kill | killafter */

#ifndef SHIM_RULES_H
#define SHIM_RULES_H

/* Seen by the shim alone: a preloaded name would stand for the program's own. */
#pragma GCC visibility push(hidden)

typedef enum { ON_WRITE, ON_SYNC, ON_NAME } operation_t;

/* What becomes of a call. */
typedef struct {
    int error;     /* fail with it */
    int swallows;  /* say yes and do nothing */
    int ends;      /* die once it is done */
    long sleep_ms; /* before anything else */
} effect_t;

/* Read the rules; NULL is none. Ends the program at one that can't be read. */
void read_rules(const char *text);

/* Count a call and say what becomes of it; may not return. Called under the shim's lock. */
effect_t judge(operation_t operation, const char *name);

/* End the program as SIGKILL does. */
_Noreturn void die(void);

/* End the program because its environment can't be followed. */
_Noreturn void fail_setup(const char *what, const char *detail);

#pragma GCC visibility pop

#endif
