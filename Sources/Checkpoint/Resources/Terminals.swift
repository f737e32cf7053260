import CKernel
import Glibc
import Kernel

/// One side of a pseudo-terminal.
struct TerminalImage: Codable, Sendable {
    /// Index into `TreeImage.terminals`.
    var terminal: Int
    var isMaster: Bool
}

/// A pseudo-terminal: its number in the sandbox's /dev/pts, its settings and size.
struct TerminalPairImage: Codable, Sendable {
    var number: Int32
    /// struct termios2.
    var settings: Blob
    /// Rows, columns, and both in pixels.
    var size: [UInt16]
    /// The process group in the foreground; 0 when there is none.
    var foregroundGroup: Int32 = 0
    /// The name of the engine's end, when the engine holds the master.
    var engineEnd: String?
    /// What lies unread in it.
    var content: TerminalContentImage?
    /// What of it begins anew, for people.
    var loss: String?
}

enum Terminals {
    /// The majors of pseudo-terminals' slaves (Documentation/admin-guide/devices.txt).
    private static let slaveMajors: ClosedRange<UInt64> = 136...143

    static func slaveNumber(_ device: UInt64) -> Int32? {
        let major = device >> 8 & 0xfff
        guard slaveMajors.contains(major) else { return nil }
        return Int32(truncatingIfNeeded: (major - 136) << 20 | (device & 0xff) | (device >> 12 & 0xfff00))
    }

    static func capture(_ view: DescriptorView, _ context: CaptureContext) throws(ResourceError) -> TerminalImage? {
        let device = view.status.representedDevice
        do throws(KernelError) {
            if let number = slaveNumber(device) {
                return TerminalImage(terminal: try pair(number, view, context), isMaster: false)
            }
            // /dev/ptmx is 5:2.
            if device == 5 << 8 | 2 {
                let master = try view.duplicate()
                let number = try check("ioctl(TIOCGPTN)") { ck_terminal_number(master.rawValue) }
                return TerminalImage(terminal: try pair(number, view, context), isMaster: true)
            }
        } catch {
            throw .kernel(error)
        }
        return nil
    }

    private static func pair(
        _ number: Int32, _ view: DescriptorView, _ context: CaptureContext
    ) throws(KernelError) -> Int {
        if let known = context.terminals[number] { return known }
        return try enter(number, try view.duplicate(), context)
    }

    /// The place in the image of a terminal that no descriptor may show: a session can have one that nobody has open.
    static func place(ofNumber number: Int32, _ context: CaptureContext) throws(KernelError) -> Int {
        if let known = context.terminals[number] { return known }
        return try enter(number, try openSlave(number, flags: O_RDWR | O_NONBLOCK, in: context.root), context)
    }

    private static func enter(
        _ number: Int32, _ side: borrowing OwnedFD, _ context: CaptureContext
    ) throws(KernelError) -> Int {
        var settings = [UInt8](repeating: 0, count: Int(CK_TERMINAL_SETTINGS_SIZE))
        // unsafe: the kernel fills the array.
        try check("ioctl(TCGETS2)") { unsafe ck_terminal_get_settings(side.rawValue, &settings) }
        var (rows, columns, width, height): (UInt16, UInt16, UInt16, UInt16) = (0, 0, 0, 0)
        // unsafe: the kernel fills the numbers.
        try check("ioctl(TIOCGWINSZ)") {
            unsafe ck_terminal_get_window(side.rawValue, &rows, &columns, &width, &height)
        }
        let index = context.tree.terminals.count
        context.tree.terminals.append(
            TerminalPairImage(
                number: number, settings: Blob(settings), size: [rows, columns, width, height],
                engineEnd: context.request.engineTerminals[number]?.name))
        context.terminals[number] = index
        return index
    }

    /// Makes a pair with the number that it had: the kernel gives the lowest free one.
    ///
    /// - Returns: the master.
    static func make(_ image: TerminalPairImage, in root: borrowing OwnedFD) throws(KernelError) -> OwnedFD {
        var passedOver: [Int32] = []
        // Masters of lower numbers are held until the right one comes, and closed then.
        defer { for descriptor in passedOver { close(descriptor) } }
        while true {
            let master = try root.open(
                FilePath(verbatim: "dev/pts/ptmx"), [.readWrite, .noControllingTerminal], resolving: .inRoot)
            let number = try check("ioctl(TIOCGPTN)") { ck_terminal_number(master.rawValue) }
            if number > image.number { throw KernelError("open", "/dev/pts/\(image.number)", errno: .exists) }
            if number < image.number {
                passedOver.append(master.release())
                continue
            }
            try check("ioctl(TIOCSPTLCK)") { ck_terminal_unlock(master.rawValue) }
            // unsafe: the kernel reads the array, whose size the image's check made sure of.
            try check("ioctl(TCSETS2)") { unsafe ck_terminal_set_settings(master.rawValue, image.settings.bytes) }
            try check("ioctl(TIOCSWINSZ)") {
                ck_terminal_set_window(master.rawValue, image.size[0], image.size[1], image.size[2], image.size[3])
            }
            return master
        }
    }

    static func openSlave(
        _ number: Int32, flags: Int32, in root: borrowing OwnedFD
    ) throws(KernelError) -> OwnedFD {
        let flags = FileOpenFlags(rawValue: flags & (O_ACCMODE | O_NONBLOCK))
        return try root.open(
            FilePath(verbatim: "dev/pts/\(number)"), [flags, .noControllingTerminal], resolving: .inRoot)
    }
}
