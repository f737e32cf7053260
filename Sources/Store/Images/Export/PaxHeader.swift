import Kernel

/// What a tar archive says of one entry, in the pax format (POSIX.1-2017, pax, "pax Interchange Format"): a header of one block,
/// and before it an extended one for what that has no room for. The same entry gives the same bytes.
struct PaxHeader {
    enum Kind {
        case regular(RegularContent)
        case directory
        case symlink(target: FilePath)
        case hardLink(target: FilePath)
        case fifo
    }

    /// Where a regular file has data; what is left out of it are holes.
    struct RegularContent {
        let size: Int64
        let data: [Range<Int64>]

        /// A file without holes.
        init(size: Int64) {
            self.size = size
            data = size > 0 ? [0..<size] : []
        }

        init(size: Int64, data: [Range<Int64>]) {
            self.size = size
            self.data = data
        }

        var isSparse: Bool { data != (size > 0 ? [0..<size] : []) }
        var dataSize: Int64 { data.reduce(0) { $0 + Int64($1.count) } }

        /// How a sparse file's data begin (GNU tar manual, "PAX Format, Version 1.0"): the number of parts, and the place and
        /// length of each, the last one's end being that of the file.
        var map: [UInt8] {
            if !isSparse { return [] }
            let end = data.last?.upperBound == size ? [] : [size..<size]
            let numbers = [Int64(data.count + end.count)] + (data + end).flatMap { [$0.lowerBound, Int64($0.count)] }
            return PaxHeader.padded(numbers.flatMap { Array("\($0)\n".utf8) })
        }
    }

    static let blockSize = 512

    let path: FilePath
    let kind: Kind
    let permissions: UInt32
    let owner: UInt32
    let group: UInt32
    let modified: FileTime
    var attributes: [(name: FilePath, value: [UInt8])] = []

    /// Both headers, in whole blocks.
    var bytes: [UInt8] {
        let records = records
        if records.isEmpty { return block }
        let name = Array("PaxHeaders/".utf8) + Array(path.lastComponent.bytes)
        let extended = UstarBlock(
            name: name, kind: UInt8(ascii: "x"), permissions: 0o644, size: Int64(records.count))
        return extended.bytes + Self.padded(records) + block
    }

    static func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (blockSize - bytes.count % blockSize) % blockSize)
    }

    // MARK: The header that every tar knows

    private var block: [UInt8] {
        var block = UstarBlock(name: name, kind: typeFlag, permissions: permissions, size: storedSize)
        block.owner = UInt64(owner)
        block.group = UInt64(group)
        block.modified = hasPlainTime ? modified.nanoseconds / 1_000_000_000 : 0
        block.target = target.map { Array($0.bytes) } ?? []
        return block.bytes
    }

    private var name: [UInt8] {
        if isSparse { return Array("GNUSparseFile/".utf8) + Array(path.lastComponent.bytes) }
        return fullName
    }

    private var fullName: [UInt8] {
        if case .directory = kind { return Array(path.bytes) + [UInt8(ascii: "/")] }
        return Array(path.bytes)
    }

    private var typeFlag: UInt8 {
        switch kind {
        case .regular: UInt8(ascii: "0")
        case .hardLink: UInt8(ascii: "1")
        case .symlink: UInt8(ascii: "2")
        case .directory: UInt8(ascii: "5")
        case .fifo: UInt8(ascii: "6")
        }
    }

    private var target: FilePath? {
        switch kind {
        case .hardLink(let target), .symlink(let target): target
        case .regular, .directory, .fifo: nil
        }
    }

    private var storedSize: Int64 {
        guard case .regular(let content) = kind else { return 0 }
        return Int64(content.map.count) + content.dataSize
    }

    private var isSparse: Bool {
        if case .regular(let content) = kind { content.isSparse } else { false }
    }

    private var hasPlainTime: Bool {
        modified.nanoseconds >= 0 && modified.nanoseconds % 1_000_000_000 == 0
            && UstarBlock.holds(UInt64(modified.nanoseconds / 1_000_000_000), digits: UstarBlock.longDigits)
    }

    // MARK: The extended header

    private var records: [UInt8] {
        var records: [UInt8] = []
        func add(_ key: String, _ value: some Sequence<UInt8>) { records += Self.record(Array(key.utf8), Array(value)) }
        if case .regular(let content) = kind, content.isSparse {
            add("GNU.sparse.major", "1".utf8)
            add("GNU.sparse.minor", "0".utf8)
            add("GNU.sparse.name", fullName)
            add("GNU.sparse.realsize", "\(content.size)".utf8)
        } else if fullName.count > UstarBlock.nameLength {
            add("path", fullName)
        }
        if let target, target.bytes.count > UstarBlock.nameLength { add("linkpath", target.bytes) }
        if !UstarBlock.holds(UInt64(storedSize), digits: UstarBlock.longDigits) { add("size", "\(storedSize)".utf8) }
        if !UstarBlock.holds(UInt64(owner), digits: UstarBlock.shortDigits) { add("uid", "\(owner)".utf8) }
        if !UstarBlock.holds(UInt64(group), digits: UstarBlock.shortDigits) { add("gid", "\(group)".utf8) }
        if !hasPlainTime { add("mtime", Self.decimal(modified).utf8) }
        // As star writes them, and all tools read them.
        for (name, value) in attributes { records += Self.record(Array("SCHILY.xattr.".utf8) + name.bytes, value) }
        return records
    }

    /// `LENGTH KEY=VALUE` and a line end; the length counts its own digits.
    private static func record(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        let rest = key.count + value.count + 3
        var length = rest + 1
        while rest + String(length).utf8.count != length { length = rest + String(length).utf8.count }
        return Array("\(length) ".utf8) + key + [UInt8(ascii: "=")] + value + [UInt8(ascii: "\n")]
    }

    private static func decimal(_ time: FileTime) -> String {
        let (seconds, fraction) = time.nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
        let digits = String(fraction)
        let sign = time.nanoseconds < 0 ? "-" : ""
        return "\(sign)\(seconds).\(String(repeating: "0", count: 9 - digits.utf8.count))\(digits)"
    }
}

/// The block that an entry of a tar archive begins with (POSIX.1-2017, pax, "ustar Interchange Format").
private struct UstarBlock {
    static let nameLength = 100
    static let shortDigits = 7
    static let longDigits = 11
    private static let checksumPlace = 148..<156

    /// What is too long is cut off: then the extended header has it in full.
    var name: [UInt8]
    var kind: UInt8
    var permissions: UInt32
    var size: Int64
    var owner: UInt64 = 0
    var group: UInt64 = 0
    var modified: Int64 = 0
    var target: [UInt8] = []

    init(name: [UInt8], kind: UInt8, permissions: UInt32, size: Int64) {
        self.name = name
        self.kind = kind
        self.permissions = permissions
        self.size = size
    }

    static func holds(_ number: UInt64, digits: Int) -> Bool { number >> (3 * UInt64(digits)) == 0 }

    var bytes: [UInt8] {
        var block: [UInt8] = []
        func put(_ text: [UInt8], _ length: Int) {
            block += text.prefix(length)
            block += [UInt8](repeating: 0, count: max(0, length - text.count))
        }
        func put(octal number: UInt64, _ digits: Int) {
            let text = String(Self.holds(number, digits: digits) ? number : 0, radix: 8)
            put(Array((String(repeating: "0", count: digits - text.utf8.count) + text).utf8), digits + 1)
        }
        put(name, Self.nameLength)
        put(octal: UInt64(permissions), Self.shortDigits)
        put(octal: owner, Self.shortDigits)
        put(octal: group, Self.shortDigits)
        put(octal: UInt64(size), Self.longDigits)
        put(octal: UInt64(modified), Self.longDigits)
        // The checksum counts itself as spaces.
        put([UInt8](repeating: UInt8(ascii: " "), count: Self.checksumPlace.count), Self.checksumPlace.count)
        put([kind], 1)
        put(target, Self.nameLength)
        put(Array("ustar\0".utf8) + Array("00".utf8), 8)
        put([], PaxHeader.blockSize - block.count)
        let sum = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
        let checksum = String(repeating: "0", count: 6 - sum.utf8.count) + sum
        block.replaceSubrange(Self.checksumPlace, with: Array(checksum.utf8) + [0, UInt8(ascii: " ")])
        return block
    }
}
