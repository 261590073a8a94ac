/* See shim_rules.h. */

#define _GNU_SOURCE
#include "shim_rules.h"

#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_RULES = 16, NAME_BYTES = 256 };

typedef enum { FAIL, SLEEP, SWALLOW, KILL, KILL_AFTER } action_t;

typedef struct {
    operation_t operation;
    char pattern[NAME_BYTES];
    long at;
    int and_after;
    action_t action;
    long argument;
    long seen;
} rule_t;

static rule_t rules[MOST_RULES];
static int rule_count;

void fail_setup(const char *what, const char *detail)
{
    dprintf(STDERR_FILENO, "faults: %s: %s\n", what, detail);
    _exit(125);
}

void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static operation_t parse_operation(const char *word)
{
    if (strcmp(word, "write") == 0) return ON_WRITE;
    if (strcmp(word, "sync") == 0) return ON_SYNC;
    if (strcmp(word, "name") != 0) fail_setup("unknown operation", word);
    return ON_NAME;
}

static action_t parse_action(const char *word)
{
    static const char *const words[] = {"error", "sleep", "swallow", "kill", "killafter"};
    for (int each = 0; each < 5; each++)
        if (strcmp(word, words[each]) == 0) return (action_t)each;
    fail_setup("unknown action", word);
}

static void parse_rule(const char *text)
{
    char operation[16], count[24], action[16];
    rule_t *rule = &rules[rule_count];
    if (rule_count == MOST_RULES) fail_setup("too many rules", text);
    int found = sscanf(text, " %15s %255s %23s %15s %ld", operation, rule->pattern, count, action, &rule->argument);
    if (found < 4) fail_setup("not a rule", text);
    rule->operation = parse_operation(operation);
    rule->action = parse_action(action);
    rule->at = atol(count);
    rule->and_after = strchr(count, '+') != NULL;
    rule_count++;
}

void read_rules(const char *text)
{
    char given[4096], *rest = given;
    snprintf(given, sizeof given, "%s", text == NULL ? "" : text);
    for (char *rule; (rule = strsep(&rest, ";")) != NULL;)
        if (strspn(rule, " \n") != strlen(rule)) parse_rule(rule);
}

effect_t judge(operation_t operation, const char *name)
{
    effect_t effect = {0, 0, 0, 0};
    for (rule_t *rule = rules; rule < rules + rule_count; rule++) {
        if (rule->operation != operation || fnmatch(rule->pattern, name, 0) != 0) continue;
        rule->seen++;
        if (rule->seen != rule->at && !(rule->and_after && rule->seen > rule->at)) continue;
        if (rule->action == FAIL) effect.error = (int)rule->argument;
        if (rule->action == SLEEP) effect.sleep_ms += rule->argument;
        if (rule->action == SWALLOW) effect.swallows = 1;
        if (rule->action == KILL) die();
        if (rule->action == KILL_AFTER) effect.ends = 1;
    }
    return effect;
}
