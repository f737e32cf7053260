import Kernel

/// One line of /proc/PID/maps (proc_pid_maps(5)).
struct MemoryArea: Equatable {
    let start: UInt64
    let end: UInt64
    let isReadable: Bool
    let isWritable: Bool
    let isExecutable: Bool
    let isShared: Bool
    /// Into the file, in bytes.
    let offset: UInt64
    /// Major and minor number, as `08:01`.
    let device: Substring
    let inode: UInt64
    /// A path, a name in brackets, or empty.
    let name: String

    /// PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4.
    var protection: UInt64 { (isReadable ? 1 : 0) | (isWritable ? 2 : 0) | (isExecutable ? 4 : 0) }

    /// Whether the kernel itself placed it: vdso and its data, vsyscall.
    var isKernels: Bool { name.hasPrefix("[v") }
}

enum MemoryMap {
    static func read(of process: Int32) throws(KernelError) -> [MemoryArea] {
        try ProcFS.readWhole("/proc/\(process)/maps").lines.compactMap(parse)
    }

    private static func parse(_ line: Substring) -> MemoryArea? {
        let (fields, name) = line.words(first: 5)
        guard fields.count == 5 else { return nil }
        let range = fields[0].utf8.split(separator: UInt8(ascii: "-")).map(Substring.init)
        let modes = Array(fields[1].utf8)
        guard range.count == 2, modes.count == 4, let start = UInt64(range[0], radix: 16),
            let end = UInt64(range[1], radix: 16), let offset = UInt64(fields[2], radix: 16),
            let inode = UInt64(fields[4])
        else { return nil }
        return MemoryArea(
            start: start, end: end, isReadable: modes[0] == UInt8(ascii: "r"),
            isWritable: modes[1] == UInt8(ascii: "w"), isExecutable: modes[2] == UInt8(ascii: "x"),
            isShared: modes[3] == UInt8(ascii: "s"), offset: offset, device: fields[3], inode: inode,
            // A line feed in a path is written as \012 and nothing else is escaped (fs/proc/task_mmu.c).
            name: name.utf8.contains(UInt8(ascii: "\\"))
                ? String(name).replacing("\\012", with: "\n") : String(name))
    }
}
