import CKernel

/// Tracks which pages a process writes, at the cost of a microsecond for the first write to each: `PageMap.takeWrites` tells.
///
/// The kernel takes the write protection of a page away when it is written, and tells nobody
/// (Documentation/admin-guide/mm/userfaultfd.rst, UFFD_FEATURE_WP_ASYNC, Linux 6.7). It ends with the value, with the process, and when
/// the process executes another program; forks are not tracked.
public struct WriteTracker: ~Copyable, Sendable {
    private let descriptor: OwnedFD

    /// Whether the kernel tracks writes without fail: before 6.13 memory that mremap(2) has moved could pass for unwritten.
    public static let isReliable: Bool = {
        let version = HostSystem.current().release.split(separator: ".").prefix(2).compactMap { Int($0) }
        return version.count == 2 && (version[0], version[1]) >= (6, 13)
    }()

    /// What the process that shall be tracked has to call userfaultfd(2) with.
    public static var descriptorFlags: UInt64 { ck_userfaultfd_flags() }

    /// - Parameter descriptor: a duplicate of a userfaultfd that the process itself has made.
    /// - Throws: EINVAL from kernels that cannot track.
    public init(takingOver descriptor: consuming OwnedFD) throws(KernelError) {
        let number = descriptor.rawValue
        try check("ioctl(UFFDIO_API)") { ck_write_tracking_begin(number) }
        self.descriptor = descriptor
    }

    /// Arranges for tracking in a mapping, which begins with the next `PageMap.takeWrites` in it. Where that has been arranged before,
    /// nothing happens.
    ///
    /// - Throws: ENOMEM when the process has executed another program; EBUSY when somebody else tracks it.
    public func add(_ range: Range<UInt64>) throws(KernelError) {
        try check("ioctl(UFFDIO_REGISTER)") {
            ck_write_tracking_add(descriptor.rawValue, range.lowerBound, range.upperBound - range.lowerBound)
        }
    }
}
