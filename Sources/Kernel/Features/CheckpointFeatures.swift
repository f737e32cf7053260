import CKernel

/// What snapshots of running processes want. Sandboxes run without any of it.
enum CheckpointFeatures {
    static func probe(_ namespaces: NamespaceProbe) -> [Feature] {
        [
            namespaces.feature(.setTid, CK_CHECK_SET_TID, remedy: Remedy.container),
            namespaces.feature(.ptrace, CK_CHECK_PTRACE, remedy: tracingRemedy()),
            namespaces.feature(.processMemory, CK_CHECK_READ_MEMORY, remedy: tracingRemedy()),
            userfaultfd(),
            pagemapScan(),
            hugePages(),
        ]
    }

    /// Yama, where the kernel has it, may forbid ptrace(2) to everyone, for good (Documentation/admin-guide/LSM/Yama.rst).
    private static func tracingRemedy() -> String {
        let scope = (try? ProcFS.read("/proc/sys/kernel/yama/ptrace_scope")) ?? "0"
        guard let first = scope.first, "23".contains(first) else { return Remedy.container }
        return Remedy.set("kernel.yama.ptrace_scope", "1") + (first == "3" ? "\nFrom 3 only a reboot leads back." : "")
    }

    private static func userfaultfd() -> Feature {
        do throws(KernelError) {
            try check("userfaultfd") { ck_probe_userfaultfd() }
            return .ok(.userfaultfd, "for faults of user space")
        } catch {
            let remedy = error.errno == .notImplemented ? Remedy.newerKernel : Remedy.container
            return .failed(.userfaultfd, "\(error)", remedy: remedy)
        }
    }

    private static func pagemapScan() -> Feature {
        do throws(KernelError) {
            try check("ioctl(PAGEMAP_SCAN)") { ck_probe_pagemap_scan() }
            return .ok(.pagemapScan, "works")
        } catch {
            return .failed(.pagemapScan, "\(error); it came with Linux 6.7", remedy: Remedy.newerKernel)
        }
    }

    /// Documentation/admin-guide/mm/transhuge.rst; the chosen word stands in brackets.
    private static func hugePages() -> Feature {
        let file = "/sys/kernel/mm/transparent_hugepage/enabled"
        guard let words = try? ProcFS.read(file) else {
            return .failed(
                .hugePages, "the kernel has no transparent huge pages",
                remedy: "Start a kernel with CONFIG_TRANSPARENT_HUGEPAGE=y (those of Debian and Ubuntu have it).")
        }
        let chosen = words.split(separator: "[").last?.prefix { $0 != "]" } ?? "unknown"
        if chosen != "never" { return .ok(.hugePages, "transparent, \(chosen)") }
        return .limited(
            .hugePages, "transparent, never: forks of 1 GB take ten times as long",
            remedy: "echo madvise | sudo tee \(file)")
    }
}
