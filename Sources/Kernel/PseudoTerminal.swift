import CKernel
import Glibc

/// The size of a terminal in character cells.
public struct TerminalDimensions: Equatable, Sendable {
    public let columns: UInt16
    public let rows: UInt16

    public init(columns: UInt16, rows: UInt16) {
        self.columns = columns
        self.rows = rows
    }
}

/// The master of a pseudo-terminal; see pty(7).
public struct PseudoTerminal: ~Copyable, Sendable {
    public let master: OwnedFD

    /// Makes a terminal, sized, unlocked, with line editing that knows UTF-8.
    ///
    /// - Parameters:
    ///   - path: of the `ptmx` in a devpts, which decides whose terminal it becomes; no symlink.
    ///   - root: what the path is relative to, and does not leave.
    public init(
        at path: FilePath, in root: borrowing OwnedFD, _ size: TerminalDimensions
    ) throws(KernelError) {
        let opened = try root.open(
            path, [.readWrite, .noControllingTerminal, .nonBlocking], resolving: [.inRoot, .noSymlinks])
        try check("ioctl(TIOCSPTLCK)") { ck_terminal_unlock(opened.rawValue) }
        try PseudoTerminal.resize(opened, to: size)
        try check("tcsetattr") { ck_terminal_expect_utf8(opened.rawValue) }
        master = opened
    }

    /// Opens the end that programs use.
    public func openSlave() throws(KernelError) -> OwnedFD {
        OwnedFD(takingOver: try check("ioctl(TIOCGPTPEER)") { ck_terminal_open_slave(master.rawValue) })
    }

    /// Gives the master up to an owner of its own; the functions below take it from there.
    public consuming func takeMaster() -> OwnedFD { master }

    /// A terminal's number in its devpts: the slave is `/dev/pts/NUMBER`.
    public static func number(of master: borrowing OwnedFD) throws(KernelError) -> Int32 {
        try check("ioctl(TIOCGPTN)") { ck_terminal_number(master.rawValue) }
    }

    public static func resize(_ master: borrowing OwnedFD, to size: TerminalDimensions) throws(KernelError) {
        try check("ioctl(TIOCSWINSZ)") { ck_terminal_set_size(master.rawValue, size.columns, size.rows) }
    }

    public static func size(of master: borrowing OwnedFD) throws(KernelError) -> TerminalDimensions {
        var (columns, rows): (UInt16, UInt16) = (0, 0)
        // unsafe: the shim writes the two numbers within the call.
        try check("ioctl(TIOCGWINSZ)") { unsafe ck_terminal_get_size(master.rawValue, &columns, &rows) }
        return TerminalDimensions(columns: columns, rows: rows)
    }

    /// The character that ends the input when it is typed at the beginning of a line; nil when there is none.
    public static func endOfFileCharacter(of master: borrowing OwnedFD) throws(KernelError) -> UInt8? {
        let character = try check("tcgetattr") { ck_terminal_end_of_file(master.rawValue) }
        return character == 0 ? nil : UInt8(character)
    }
}
