import CKernel
import Glibc

/// What an ordinary process can find out about the kernel by itself.
enum SystemCallFeatures {
    static func probe() -> [Feature] {
        [
            kernelVersion(),
            call(.pidfd, since: "5.3") { () throws(KernelError) in _ = try PidFD(opening: getpid()) },
            call(.closeRange, since: "5.9") { () throws(KernelError) in
                try check("close_range") { ck_probe_close_range() }
            },
            call(.openat2, since: "5.6") { () throws(KernelError) in
                let root = try OwnedFD.open("/", [.read, .directory])
                _ = try root.open(".", [.read, .directory], resolving: .inRoot)
            },
            memoryExecution(),
        ]
    }

    /// The oldest kernel whose overlayfs takes layers one by one, by `lowerdir+`
    /// (Documentation/filesystems/overlayfs.rst, "Multiple lower layers").
    private static let oldest = (major: 6, minor: 8)

    private static func kernelVersion() -> Feature {
        let release: String
        do throws(KernelError) {
            release = String(try ProcFS.read("/proc/sys/kernel/osrelease").prefix { $0 != "\n" })
        } catch {
            return .failed(.kernelVersion, "\(error)", remedy: "sudo mount -t proc proc /proc")
        }
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        if numbers.count == 2, (numbers[0], numbers[1]) >= oldest { return .ok(.kernelVersion, release) }
        let detail = "\(release) is older than \(oldest.major).\(oldest.minor)"
        return .failed(.kernelVersion, detail, remedy: Remedy.newerKernel)
    }

    private static func call(
        _ name: FeatureName, since version: String, _ body: () throws(KernelError) -> Void
    ) -> Feature {
        do throws(KernelError) {
            try body()
            return .ok(name, "works")
        } catch {
            let isOld = error.errno == .notImplemented
            let detail = isOld ? "\(error); it came with Linux \(version)" : "\(error)"
            return .failed(name, detail, remedy: isOld ? Remedy.newerKernel : Remedy.container)
        }
    }

    /// The first process of a sandbox is executed from a memory file, which vm.memfd_noexec forbids.
    private static func memoryExecution() -> Feature {
        do throws(KernelError) {
            // unsafe: the name is read within the call.
            let file = OwnedFD(takingOver: try check("memfd_create") { unsafe ck_memfd_create("isorun-doctor") })
            try check("faccessat", "a memory file") { ck_probe_executable(file.rawValue) }
            return .ok(.memoryExecution, "memory files may be executed")
        } catch {
            return .failed(.memoryExecution, "\(error)", remedy: Remedy.set("vm.memfd_noexec", "0"))
        }
    }
}
