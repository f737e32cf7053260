import CKernel
import Glibc
import Kernel

/// Looks at a held process without touching it, and finds out whether it can be kept.
struct Examination {
    let process: HeldProcess
    /// How many seccomp filters every process of the sandbox has.
    let sandboxFilters: Int
    let context: CaptureContext

    /// What there is of the image without a call in the process.
    ///
    /// - Throws: the reason why the process cannot be kept.
    func image() throws(ResourceError) -> ProcessImage {
        var image = try kernel { () throws(KernelError) in try relations() }
        if process.isZombie { return image }
        try requireOrdinary()
        try kernel { () throws(KernelError) in
            image.stoppedBy = process.threads.compactMap(\.jobControlSignal).first
            image.credentials = process.status.credentials
            image.attributes.umask = process.status.umask
            image.attributes.personality = UInt64(try text("personality"), radix: 16) ?? 0
            image.attributes.outOfMemoryScore = Int32(try text("oom_score_adj")) ?? 0
            image.attributes.coreDumpFilter = try text("coredump_filter")
            image.workingDirectory = try FileLink.target(of: "/proc/\(process.pid)/cwd")
            image.rootDirectory = try FileLink.target(of: "/proc/\(process.pid)/root")
            image.limits = try limits()
        }
        if image.workingDirectory.hasSuffix(" (deleted)") {
            throw .unsupported("its working directory was deleted")
        }
        image.descriptors = try descriptors()
        image.memory = try MemoryExamination(process: process.pid, context: context).layout()
        return image
    }

    // MARK: Relations

    private func relations() throws(KernelError) -> ProcessImage {
        let statistics = ProcessStatistics(
            try ProcFS.read("proc/\(process.inside)/stat", in: context.root.rawValue))
        var image = ProcessImage(
            pid: process.inside, parent: statistics.parent, session: statistics.session, group: statistics.group,
            command: try CommandLine.of(process.pid, name: process.status.name),
            zombieStatus: process.isZombie ? statistics.exitStatus : nil)
        if let number = Terminals.slaveNumber(statistics.terminal), statistics.terminal != 0 {
            image.controllingTerminal = Int(number)
        }
        return image
    }

    // MARK: What cannot be kept at all

    private func requireOrdinary() throws(ResourceError) {
        if process.isTraced { throw .unsupported("it is being traced by a debugger") }
        if process.threads.isEmpty || process.threads[0].id != process.pid {
            throw .unsupported("its first thread has ended")
        }
        if process.status.filters > sandboxFilters {
            throw .unsupported("it has installed seccomp filters of its own")
        }
        if process.status.pids.count > 2 { throw .unsupported("it is in a pid namespace of its own") }
        if let namespace = try kernel({ () throws(KernelError) in try foreignNamespace() }) {
            throw .unsupported("it is in a \(namespace) namespace of its own")
        }
        // The code segment of 64-bit programs (arch/x86/include/asm/segment.h, __USER_CS).
        let registers = try kernel { () throws(KernelError) in try process.threads[0].registers() }
        if registers.cs != 0x33 { throw .unsupported("it is a 32-bit program") }
    }

    /// The kind of a namespace that is not the sandbox's.
    private func foreignNamespace() throws(KernelError) -> String? {
        for namespace in ["user", "mnt", "net", "ipc", "uts"] {
            let own = try FileLink.target(of: "/proc/\(process.pid)/ns/\(namespace)")
            let sandboxes = try FileLink.target(of: "/proc/\(context.request.initPid)/ns/\(namespace)")
            if own != sandboxes { return namespace }
        }
        return nil
    }

    // MARK: Tables

    private func descriptors() throws(ResourceError) -> [DescriptorImage] {
        let numbers = try kernel { () throws(KernelError) in
            let folder = try OwnedFD.open(FilePath(verbatim: "/proc/\(process.pid)/fd"), .directory)
            return try ProcFS.processes(in: folder.rawValue).sorted()
        }
        var images: [DescriptorImage] = []
        for number in numbers {
            let view = try kernel { () throws(KernelError) in
                try DescriptorView(process: process.pid, number: number)
            }
            images.append(
                DescriptorImage(
                    number: number, description: try context.description(behind: view),
                    closesOnExec: view.info.closesOnExec, recordLocks: try FileLocks.capture(view.info).ofProcess))
        }
        return images
    }

    private func limits() throws(KernelError) -> [[UInt64]] {
        var limits: [[UInt64]] = []
        for resource in 0..<Int32(16) {
            var (soft, hard): (UInt64, UInt64) = (0, 0)
            // unsafe: the kernel fills both.
            try check("prlimit", "\(process.pid)") { unsafe ck_get_limit(process.pid, resource, &soft, &hard) }
            limits.append([soft, hard])
        }
        return limits
    }

    private func text(_ name: String) throws(KernelError) -> String {
        try ProcFS.read("/proc/\(process.pid)/\(name)").filter { !$0.isWhitespace }
    }
}

/// Hands a system call's failure on as a resource's.
func kernel<Value: ~Copyable>(_ body: () throws(KernelError) -> Value) throws(ResourceError) -> Value {
    do throws(KernelError) {
        return try body()
    } catch {
        throw .kernel(error)
    }
}

extension TracedThread {
    /// The stop signal that held its process when the thread was seized.
    var jobControlSignal: Int32? {
        if case .jobControl(let signal) = firstStop { return signal }
        return nil
    }
}

/// A process's command line, as people know it.
enum CommandLine {
    static func of(_ pid: Int32, name: String) throws(KernelError) -> String {
        let line = try ProcessLineage.textIfPresent("/proc/\(pid)/cmdline")
        let words = line.split(separator: "\0").joined(separator: " ")
        return words.isEmpty ? "[\(name)]" : words
    }
}
