import CKernel

/// The process's table of open files.
public enum DescriptorTable {
    /// Enough for a hundred sandboxes with commands under way.
    private static let usualSize: Int32 = 4096

    /// Raises the limit of open files as far as is allowed and makes room. Call it while the process has one thread:
    /// growing later makes whoever opens a file wait for milliseconds.
    public static func prepare() throws(KernelError) {
        try check("setrlimit(RLIMIT_NOFILE)") { ck_prepare_descriptors(usualSize) }
    }
}
