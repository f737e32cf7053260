import Kernel

/// Filesystems whose files are the kernel's own controls.
///
/// The engine holds more rights than a sandbox's root, so a write there on a sandbox's word could change what the sandbox
/// itself may not.
enum KernelFilesystem {
    /// From the kernel's include/uapi/linux/magic.h.
    private static let magics: Set<Int64> = [
        0x9fa0,  // proc
        0x6265_6572,  // sysfs
        0x0027_e0eb,  // cgroup
        0x6367_7270,  // cgroup2
        0x6462_6720,  // debugfs
        0x7472_6163,  // tracefs
        0x7363_6673,  // securityfs
        0xcafe_4a11,  // bpf
    ]

    /// Throws EROFS for a folder of the kernel's, as if it were mounted read-only.
    static func refuseChanges(in folder: borrowing OwnedFD) throws(KernelError) {
        if magics.contains(try folder.filesystemType()) { throw KernelError("fstatfs", errno: .readOnlyFilesystem) }
    }
}
