/* A module of PAM that does what its first argument says. */
#include <string.h>
#include <unistd.h>

int pam_set_item(void *pamh, int item, const void *value);

int pam_sm_authenticate(void *pamh, int flags, int argc, const char **argv) {
    const char *what = argc > 0 ? argv[0] : "";
    if (strcmp(what, "crash") == 0)
        *(volatile int *)0 = 1;
    if (strcmp(what, "print") == 0)
        for (int file = 0; file < 3; file++)
            if (write(file, "\0\0\0\2{}garbage\n", 14) < 0)
                continue;
    /* PAM_USER is 2. */
    if (strcmp(what, "ada") == 0)
        return pam_set_item(pamh, 2, "ada");
    return 0;
}

int pam_sm_acct_mgmt(void *pamh, int flags, int argc, const char **argv) {
    return 0;
}

int pam_sm_setcred(void *pamh, int flags, int argc, const char **argv) {
    return 0;
}
