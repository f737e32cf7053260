/// The capabilities that a sandbox's root keeps: Docker's default set.
///
/// They count only within the sandbox's own user namespace. Numbers from <linux/capability.h>.
enum Capabilities {
    private static let kept: [Int] = [
        0,  // CAP_CHOWN
        1,  // CAP_DAC_OVERRIDE
        3,  // CAP_FOWNER
        4,  // CAP_FSETID
        5,  // CAP_KILL
        6,  // CAP_SETGID
        7,  // CAP_SETUID
        8,  // CAP_SETPCAP
        10,  // CAP_NET_BIND_SERVICE
        13,  // CAP_NET_RAW
        18,  // CAP_SYS_CHROOT
        27,  // CAP_MKNOD
        29,  // CAP_AUDIT_WRITE
        31,  // CAP_SETFCAP
    ]

    /// A bit for each.
    static let mask: UInt64 = kept.reduce(0) { $0 | 1 << UInt64($1) }
}
