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
    let device: String
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
        var cursor = ByteCursor(try ProcFS.readBytes("/proc/\(process)/maps"))
        var areas: [MemoryArea] = []
        while !cursor.isAtEnd {
            if let area = parse(&cursor) { areas.append(area) } else { _ = cursor.line() }
        }
        return areas
    }

    /// As `7f00-7f01 r-xp 00001000 08:01 4711     /usr/lib/libc.so.6`.
    private static func parse(_ cursor: inout ByteCursor) -> MemoryArea? {
        guard let start = cursor.number(radix: 16), cursor.skip("-"), let end = cursor.number(radix: 16),
            cursor.skip(" ")
        else { return nil }
        let modes = cursor.word()
        guard modes.count == 4, cursor.skip(" "), let offset = cursor.number(radix: 16), cursor.skip(" ") else {
            return nil
        }
        let device = String(decoding: cursor.word(), as: UTF8.self)
        guard cursor.skip(" "), let inode = cursor.number(radix: 10) else { return nil }
        cursor.skipSpaces()
        let name = cursor.line()
        func has(_ mode: Unicode.Scalar, _ place: Int) -> Bool { modes[modes.startIndex + place] == UInt8(ascii: mode) }
        return MemoryArea(
            start: start, end: end, isReadable: has("r", 0), isWritable: has("w", 1), isExecutable: has("x", 2),
            isShared: has("s", 3), offset: offset, device: device, inode: inode, name: unescaped(name))
    }

    /// A line feed in a path is written as \012 and nothing else is escaped (fs/proc/task_mmu.c).
    private static func unescaped(_ name: ArraySlice<UInt8>) -> String {
        let text = String(decoding: name, as: UTF8.self)
        return name.contains(UInt8(ascii: "\\")) ? text.replacing("\\012", with: "\n") : text
    }
}
