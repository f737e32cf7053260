import CKernel
import Glibc
import Kernel

/// What lies unread in a pseudo-terminal.
struct TerminalContentImage: Codable, Sendable {
    /// Lines that were typed, as a reader gets them, where the terminal takes input by lines. One that does not end with a line feed was
    /// ended by the character that ends the input.
    var lines: [Blob] = []
    /// What was typed after them.
    var rest = Blob()
    /// What was printed and nobody has read at the master; empty where the engine has the master.
    var printed = Blob()

    var isEmpty: Bool { lines.isEmpty && rest.bytes.isEmpty && printed.bytes.isEmpty }
}

/// Reads what lies in a terminal, and puts it there. The kernel lets nobody look without taking: the source gets it back, as do copies.
///
/// Whoever has the terminal must stand still. Both descriptors belong to the engine's own description or are polled before each call.
struct TerminalContent: ~Copyable {
    /// What a terminal holds for whoever reads from it, but for a little (drivers/tty/n_tty.c, N_TTY_BUF_SIZE).
    private static let limit = 4000
    /// Small enough that some characters do not occur in it.
    private static let pieceSize = 200
    private static let patience = Duration.seconds(1)

    private let master: OwnedFD
    private let slave: OwnedFD
    private let modes: TerminalModes

    /// - Parameters:
    ///   - master: may be a duplicate of the process's own.
    ///   - slave: opened for reading and writing, non-blocking.
    init(master: consuming OwnedFD, slave: consuming OwnedFD) throws(KernelError) {
        modes = try TerminalModes(of: slave)
        self.master = master
        self.slave = slave
    }

    /// Whether what lies in the terminal can be taken out and put back as it was. Nothing is touched.
    func canBeTaken() throws(KernelError) -> Bool {
        // Reads of a master in packet mode tell of more than content (ioctl_tty(2), TIOCPKT).
        let isPacketed = try check("ioctl(TIOCGPKT)") { ck_terminal_is_packeted(master.rawValue) } != 0
        if isPacketed || modes.isProcessedOutside { return false }
        // Printing was stopped, or what was printed fills the terminal.
        if try !slave.waitUntilWritable(milliseconds: 0) { return false }
        return try slave.bytesUnread() < Self.limit
    }

    /// - Parameter takesPrinted: whether what was printed is taken too.
    func take(takesPrinted: Bool) throws(KernelError) -> TerminalContentImage {
        var content = TerminalContentImage()
        try modes.quiet().set(on: slave)
        if modes.takesLines {
            while try slave.waitUntilReadable(milliseconds: 0) { content.lines.append(Blob(try readOnce(slave))) }
            // Only when it does not wait for the end of the line any more is the rest to be had.
            try modes.quiet(takesLines: false).set(on: slave)
        }
        var rest: [UInt8] = []
        while try slave.waitUntilReadable(milliseconds: 0) { rest += try readOnce(slave) }
        content.rest = Blob(rest)
        try modes.set(on: slave)
        var printed: [UInt8] = []
        if takesPrinted { while try master.waitUntilReadable(milliseconds: 0) { printed += try readOnce(master) } }
        content.printed = Blob(printed)
        return content
    }

    private func readOnce(_ side: borrowing OwnedFD) throws(KernelError) -> [UInt8] {
        switch try side.readOnce(upTo: Self.limit * 2) {
        case .bytes(let bytes): return bytes
        case .end, .wouldBlock: return []
        }
    }

    /// Puts content into a terminal that has none: nothing of it is echoed, and no character of it means anything.
    func put(_ content: TerminalContentImage) throws(KernelError) {
        for line in content.lines {
            let bytes = line.bytes
            if bytes.last == UInt8(ascii: "\n") { try type(bytes) } else { try type(bytes, endsInput: true) }
        }
        try type(content.rest.bytes)
        try modes.quiet().set(on: slave)
        try slave.writeAll(content.printed.bytes)
        try modes.set(on: slave)
    }

    /// - Parameter endsInput: whether the end of the input is typed behind it.
    private func type(_ bytes: [UInt8], endsInput: Bool = false) throws(KernelError) {
        var rest = bytes[...]
        var endIsLeft = endsInput
        while !rest.isEmpty || endIsLeft {
            let piece = Array(rest.prefix(Self.pieceSize))
            rest = rest.dropFirst(piece.count)
            let free = (1...UInt8.max).lazy.filter { $0 != UInt8(ascii: "\n") && !piece.contains($0) }.prefix(3)
            let (stop, start, end) = (free[free.startIndex], free.dropFirst().first ?? 0, free.dropFirst(2).first ?? 0)
            try modes.quiet(stop: stop, start: start, end: end).set(on: slave)
            try master.writeAll(rest.isEmpty && endIsLeft ? piece + [end] : piece)
            if rest.isEmpty { endIsLeft = false }
            try awaitArrival(stop: stop, start: start)
        }
    }

    /// What is written to a master arrives a moment later, and the modes of that moment count. So a character follows that stops the
    /// output, which is seen, and one that starts it again.
    private func awaitArrival(stop: UInt8, start: UInt8) throws(KernelError) {
        for (character, isWritable) in [(stop, false), (start, true)] {
            try master.writeAll([character])
            let deadline = ContinuousClock.now + Self.patience
            while try slave.waitUntilWritable(milliseconds: 0) != isWritable {
                if ContinuousClock.now > deadline {
                    throw KernelError("write", "a terminal that takes nothing", errno: .busy)
                }
                ck_short_sleep()
            }
        }
    }
}

/// struct termios2 of a pseudo-terminal (asm/termbits.h).
struct TerminalModes {
    private enum Offset {
        static let (input, output, local, characters) = (0, 4, 12, 17)
    }
    /// Places of special characters.
    private enum Character {
        static let (endOfInput, time, least, start, stop, count) = (4, 5, 6, 8, 9, 19)
    }
    private static let (flowControl, utf8): (UInt32, UInt32) = (0o2000, 0o40000)  // IXON, IUTF8
    private static let postprocessing: UInt32 = 1  // OPOST
    private static let (canonical, external): (UInt32, UInt32) = (0o2, 0o200000)  // ICANON, EXTPROC

    private var bytes: [UInt8]

    init(of side: borrowing OwnedFD) throws(KernelError) {
        var bytes = [UInt8](repeating: 0, count: Int(CK_TERMINAL_SETTINGS_SIZE))
        // unsafe: the kernel fills the array.
        try check("ioctl(TCGETS2)") { unsafe ck_terminal_get_settings(side.rawValue, &bytes) }
        self.bytes = bytes
    }

    func set(on side: borrowing OwnedFD) throws(KernelError) {
        // unsafe: the kernel reads the array, which has the size of its structure.
        try check("ioctl(TCSETS2)") { unsafe ck_terminal_set_settings(side.rawValue, bytes) }
    }

    /// Whether input is taken by lines.
    var takesLines: Bool { self[Offset.local] & Self.canonical != 0 }
    /// Whether somebody else edits the lines (EXTPROC).
    var isProcessedOutside: Bool { self[Offset.local] & Self.external != 0 }

    /// The same with nothing echoed, nothing changed on its way, and no character that means anything but those that are given.
    ///
    /// - Parameter takesLines: nil: as these modes do.
    func quiet(takesLines: Bool? = nil, stop: UInt8 = 0, start: UInt8 = 0, end: UInt8 = 0) -> TerminalModes {
        var modes = self
        modes[Offset.input] = self[Offset.input] & Self.utf8 | Self.flowControl
        modes[Offset.output] &= ~Self.postprocessing
        modes[Offset.local] = takesLines ?? self.takesLines ? Self.canonical : 0
        for place in 0..<Character.count { modes.bytes[Offset.characters + place] = 0 }
        // A single character can be read, and is told of.
        modes.bytes[Offset.characters + Character.least] = 1
        modes.bytes[Offset.characters + Character.stop] = stop
        modes.bytes[Offset.characters + Character.start] = start
        modes.bytes[Offset.characters + Character.endOfInput] = end
        return modes
    }

    private subscript(offset: Int) -> UInt32 {
        get { (0..<4).reversed().reduce(0) { $0 << 8 | UInt32(bytes[offset + $1]) } }
        set { for place in 0..<4 { bytes[offset + place] = UInt8(truncatingIfNeeded: newValue >> (8 * place)) } }
    }
}
