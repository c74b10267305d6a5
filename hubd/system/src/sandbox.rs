//! What every unit gives up that is started for one piece of work: a build, a trial, the page of an install. What each needs
//! or gives up beside that, it says itself.

/// In the words of `systemd-run --property`.
pub const SHARED: [&str; 17] = [
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectProc=invisible",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "RestrictNamespaces=yes",
    "LockPersonality=yes",
    "SystemCallFilter=@system-service",
    // What is asked for in its queues is looked at by no filter.
    "SystemCallFilter=~io_uring_setup io_uring_enter io_uring_register",
    "SystemCallErrorNumber=EPERM",
];
