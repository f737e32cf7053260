import CKernel
import Kernel

/// One entry of a held process's descriptor table, as /proc shows it.
struct DescriptorView {
    /// In the engine's numbering.
    let process: Int32
    let number: Int32
    /// What /proc/PID/fd/N points at: a path, or a kind and a number.
    let target: String
    let info: DescriptorInfo
    let status: OpenFileStatus

    init(process: Int32, number: Int32) throws(KernelError) {
        self.process = process
        self.number = number
        let path = "/proc/\(process)/fd/\(number)"
        target = try FileLink.target(of: path)
        info = DescriptorInfo(try ProcFS.readWhole("/proc/\(process)/fdinfo/\(number)"))
        status = try FileLink.status(behind: path)
    }

    var isDeleted: Bool { target.hasSuffix(" (deleted)") }

    /// The path without the remark that the file was deleted.
    var path: String { isDeleted ? String(target.dropLast(10)) : target }

    /// The number in `pipe:[123]` and the like; nil when the target is of another kind.
    func number(ofKind kind: String) -> UInt64? {
        guard target.hasPrefix(kind + ":["), target.hasSuffix("]") else { return nil }
        return UInt64(target.dropFirst(kind.count + 2).dropLast())
    }

    /// Whether it is a POSIX message queue, which looks like a file (mq_overview(7)).
    func isMessageQueue() throws(KernelError) -> Bool {
        let magic: Int64 = 0x1980_0202  // MQUEUE_MAGIC
        return try FileLink.filesystemType(behind: "/proc/\(process)/fd/\(number)") == magic
    }

    /// A second descriptor of this process for the same open file description (pidfd_getfd(2)).
    func duplicate() throws(KernelError) -> OwnedFD {
        try PidFD(opening: process).duplicateDescriptor(number)
    }

    /// Whether the other entry shares the open file description.
    func isSame(as other: DescriptorView) throws(KernelError) -> Bool {
        if status.identity != other.status.identity || info.flags != other.info.flags || target != other.target {
            return false
        }
        return try check("kcmp", "\(number) of \(process)") {
            ck_kcmp_file(process, other.process, number, other.number)
        } == 0
    }
}

/// The text of /proc/PID/fdinfo/N (proc_pid_fdinfo(5)).
struct DescriptorInfo {
    /// Status flags without close-on-exec.
    let flags: Int32
    let closesOnExec: Bool
    let position: Int64
    let lines: [Substring]

    private static let closeOnExecFlag: Int32 = 0o2000000

    init(_ text: String) {
        lines = text.lines
        let raw = Self.value("flags", in: lines).flatMap { Int32($0, radix: 8) } ?? 0
        flags = raw & ~Self.closeOnExecFlag
        closesOnExec = raw & Self.closeOnExecFlag != 0
        position = Self.value("pos", in: lines).flatMap { Int64($0) } ?? 0
    }

    func value(_ key: String) -> Substring? { Self.value(key, in: lines) }

    /// What follows a key and white space on a line.
    private static func value(_ key: String, in lines: [Substring]) -> Substring? {
        for line in lines where line.hasPrefix(key) {
            let rest = line.dropFirst(key.count)
            if rest.first == ":" { return rest.dropFirst().trimmed }
        }
        return nil
    }
}
