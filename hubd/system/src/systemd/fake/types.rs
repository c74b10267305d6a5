//! The D-Bus types of the properties that the hub sets, as systemd 252 to 257 declare them.

/// The signature of the property called `name`; `None` when systemd would not know it, or the hub has not used it yet.
pub(super) fn signature_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "CollectMode" | "Description" | "DevicePolicy" | "Group" | "KeyringMode" | "KillMode" | "LogNamespace" | "OOMPolicy"
        | "Options" | "ProcSubset" | "ProtectHome" | "ProtectProc" | "ProtectSystem" | "Slice" | "StandardError"
        | "StandardInput" | "StandardOutput" | "SyslogIdentifier" | "Type" | "User" | "What" | "WorkingDirectory" => "s",
        "LazyUnmount"
        | "LockPersonality"
        | "NoNewPrivileges"
        | "PrivateDevices"
        | "PrivateIPC"
        | "PrivateNetwork"
        | "PrivateTmp"
        | "ProtectClock"
        | "ProtectControlGroups"
        | "ProtectHostname"
        | "ProtectKernelLogs"
        | "ProtectKernelModules"
        | "ProtectKernelTunables"
        | "RemoveIPC"
        | "RestrictRealtime"
        | "RestrictSUIDSGID"
        | "SendSIGKILL"
        | "SyslogLevelPrefix" => "b",
        "AmbientCapabilities"
        | "CPUQuotaPerSecUSec"
        | "CPUWeight"
        | "CapabilityBoundingSet"
        | "LimitCORE"
        | "LimitNOFILE"
        | "LimitNOFILESoft"
        | "LogRateLimitIntervalUSec"
        | "MemoryMax"
        | "MemorySwapMax"
        | "MountFlags"
        | "RestrictNamespaces"
        | "TasksMax"
        | "TimeoutStartUSec"
        | "TimeoutStopUSec" => "t",
        "LogLevelMax" | "OOMScoreAdjust" | "SyslogLevel" | "SystemCallErrorNumber" => "i",
        "DirectoryMode" | "LogRateLimitBurst" | "UMask" => "u",
        "Environment"
        | "InaccessiblePaths"
        | "ReadWritePaths"
        | "RequiresMountsFor"
        | "SupplementaryGroups"
        | "SystemCallArchitectures" => "as",
        "ExecStart" => "a(sasb)",
        "RestrictAddressFamilies" | "SystemCallFilter" => "(bas)",
        "TemporaryFileSystem" => "a(ss)",
        "BindPaths" | "BindReadOnlyPaths" => "a(ssbt)",
        "IPAddressAllow" | "IPAddressDeny" => "a(iayu)",
        _ => return None,
    })
}
