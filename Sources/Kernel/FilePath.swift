/// A file's name or path as the kernel takes it: bytes without NUL, not necessarily UTF-8.
///
/// Names made inside a sandbox may hold any byte, so they never travel through `String`, which would repair them.
public struct FilePath: Hashable, Sendable {
    /// The bytes and the NUL that ends them, ready for a system call.
    private let terminated: [UInt8]

    /// - Returns: nil when `bytes` hold a NUL, which no path can.
    public init?(bytes: some Sequence<UInt8>) {
        var terminated = Array(bytes)
        if terminated.contains(0) { return nil }
        terminated.append(0)
        self.terminated = terminated
    }

    /// - Returns: nil when `text` holds a NUL, which no path can.
    public init?(_ text: String) { self.init(bytes: text.utf8) }

    /// A path that the program itself put together, thus free of NUL.
    public init(verbatim text: String) {
        var terminated = Array(text.utf8)
        precondition(!terminated.contains(0), "a path that the program made holds a NUL")
        terminated.append(0)
        self.terminated = terminated
    }

    /// The bytes without the final NUL.
    public var bytes: ArraySlice<UInt8> { terminated.dropLast() }

    public var isEmpty: Bool { terminated.count == 1 }
    public var isAbsolute: Bool { terminated[0] == UInt8(ascii: "/") }

    public func hasPrefix(_ prefix: FilePath) -> Bool { bytes.starts(with: prefix.bytes) }

    /// The names between the slashes; empty ones and `.` are left out, `..` is kept.
    public var components: [FilePath] {
        bytes.split(separator: UInt8(ascii: "/")).compactMap {
            $0.elementsEqual([UInt8(ascii: ".")]) ? nil : FilePath(bytes: $0)
        }
    }

    /// What follows the last slash; the whole path when there is none.
    public var lastComponent: FilePath {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return self }
        return FilePath(terminated: terminated[(slash + 1)...])
    }

    /// This path, a slash, and `name`; `name` alone when this path is empty.
    public func appending(_ name: FilePath) -> FilePath {
        if isEmpty { return name }
        let separator: [UInt8] = terminated[terminated.count - 2] == UInt8(ascii: "/") ? [] : [UInt8(ascii: "/")]
        return FilePath(terminated: bytes + separator + name.terminated)
    }

    private init(terminated: some Sequence<UInt8>) { self.terminated = Array(terminated) }

    /// Calls `body` with the NUL-ended bytes; the pointer dies with the call.
    public func withCString<Result, Failure: Error>(
        _ body: (UnsafePointer<CChar>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // unsafe: a system call wants a pointer; the array outlives the closure and ends in NUL.
        try unsafe terminated.withUnsafeBufferPointer { (buffer) throws(Failure) -> Result in
            try unsafe body(UnsafeRawPointer(buffer.baseAddress!).assumingMemoryBound(to: CChar.self))
        }
    }
}

extension FilePath: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self.init(verbatim: value) }
}

extension FilePath: CustomStringConvertible {
    /// For people: bytes that are no UTF-8 come out as U+FFFD.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}

extension FilePath: Comparable {
    /// The order of the bytes, so that a folder comes before what lies in it.
    public static func < (left: FilePath, right: FilePath) -> Bool {
        left.terminated.lexicographicallyPrecedes(right.terminated)
    }
}
