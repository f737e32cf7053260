import Kernel

/// Reads the headers of an uncompressed tar archive and passes over the contents: ustar and pax (POSIX.1-2001), and GNU tar's
/// long names. libarchive reads such files as well, but does not tell where a content lies.
struct TarHeaders {
    struct Header {
        enum Kind {
            case file, symlink, hardLink, other
        }

        var path: FilePath
        var kind: Kind
        var size: Int64
        var linkTarget: FilePath
        var dataOffset: Int64
    }

    enum End {
        /// Two blocks of zeros, or the end of the file in place of a header.
        case proper
        /// The file ends within a member.
        case cutOff
        /// What stands in place of a header is none.
        case notTar
    }

    /// Why `next` has returned nil.
    private(set) var end = End.proper

    private let file: SharedFile
    private let fileSize: Int64
    private var offset: Int64 = 0
    private var hasHeader = false

    private static let block = 512
    /// For a name or pax record; the kernel takes no path above 4096 bytes.
    private static let maxExtension = 64 * 1024

    init(_ file: SharedFile, size: Int64) {
        self.file = file
        fileSize = size
    }

    /// The next member's header; nil at the end, of which `end` tells what it is.
    mutating func next() throws(StoreError) -> Header? {
        var longPath: FilePath?
        var longTarget: FilePath?
        var longSize: Int64?
        while let raw = try nextRaw() {
            let size = raw.typeFlag == UInt8(ascii: "x") ? raw.size : longSize ?? raw.size
            let data = offset
            guard size <= fileSize - data else { return stop(.cutOff) }
            offset += (size + Int64(Self.block) - 1) / Int64(Self.block) * Int64(Self.block)
            switch raw.typeFlag {
            case UInt8(ascii: "L"): longPath = try text(at: data, size)
            case UInt8(ascii: "K"): longTarget = try text(at: data, size)
            case UInt8(ascii: "x"):
                let records = PaxRecords(try bytes(at: data, size))
                longPath = records.path ?? longPath
                longTarget = records.linkTarget ?? longTarget
                longSize = records.size ?? longSize
            case UInt8(ascii: "g"): continue
            default:
                return Header(
                    path: longPath ?? raw.path, kind: raw.kind, size: size, linkTarget: longTarget ?? raw.linkTarget,
                    dataOffset: data)
            }
        }
        return nil
    }

    private mutating func nextRaw() throws(StoreError) -> RawHeader? {
        let header = try bytes(at: offset, Int64(Self.block))
        if header.isEmpty { return stop(hasHeader ? .proper : .notTar) }
        if header.count < Self.block { return stop(hasHeader ? .cutOff : .notTar) }
        if header.allSatisfy({ $0 == 0 }) { return stop(hasHeader ? .proper : .notTar) }
        guard let raw = RawHeader(header) else { return stop(.notTar) }
        hasHeader = true
        offset += Int64(Self.block)
        return raw
    }

    private mutating func stop<Result>(_ end: End) -> Result? {
        self.end = end
        return nil
    }

    private func text(at position: Int64, _ size: Int64) throws(StoreError) -> FilePath? {
        FilePath(bytes: try bytes(at: position, size).prefix { $0 != 0 })
    }

    private func bytes(at position: Int64, _ size: Int64) throws(StoreError) -> [UInt8] {
        if size > Int64(Self.maxExtension) { throw .imageInvalid(reason: "a member's name is too long") }
        return try onDisk { () throws(KernelError) in
            try file.descriptor.read(at: position, upTo: Int(size), expecting: Int(size))
        }
    }
}

/// One block of 512 bytes (POSIX.1-2001, pax, "ustar Interchange Format").
private struct RawHeader {
    let path: FilePath
    let typeFlag: UInt8
    let size: Int64
    let linkTarget: FilePath

    /// - Returns: nil when the checksum does not fit.
    init?(_ block: [UInt8]) {
        let field = 148..<156
        let sum = block.indices.reduce(Int64(0)) { $0 + Int64(field.contains($1) ? UInt8(ascii: " ") : block[$1]) }
        guard Self.number(block[field]) == sum, let size = Self.number(block[124..<136]), size >= 0 else { return nil }
        let isUstar = block[257..<262].elementsEqual("ustar".utf8)
        guard let name = FilePath(bytes: block[0..<100].prefix { $0 != 0 }),
            let prefix = FilePath(bytes: isUstar ? block[345..<500].prefix { $0 != 0 } : []),
            let target = FilePath(bytes: block[157..<257].prefix { $0 != 0 })
        else { return nil }
        path = prefix.appending(name)
        linkTarget = target
        typeFlag = block[156]
        // Links, devices, folders and fifos have no content, whatever a writer puts into the field.
        self.size = "123456".utf8.contains(typeFlag) ? 0 : size
    }

    var kind: TarHeaders.Header.Kind {
        switch typeFlag {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): .file
        case UInt8(ascii: "1"): .hardLink
        case UInt8(ascii: "2"): .symlink
        default: .other
        }
    }

    /// Octal digits, or, for large numbers, GNU tar's base 256 with the highest bit set.
    private static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        if let first = field.first, first & 0x80 != 0 {
            let digits = field.dropFirst(field.count - 8)
            let isWithinRange = field.dropFirst().dropLast(8).allSatisfy { $0 == 0 } && first == 0x80
            let value = digits.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return isWithinRange ? Int64(exactly: value) : nil
        }
        let digits = field.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != 0 && $0 != UInt8(ascii: " ") }
        return digits.isEmpty ? 0 : Int64(String(decoding: digits, as: UTF8.self), radix: 8)
    }
}

/// Records `length key=value\n` of a pax extended header; others than these three say nothing of where a member lies.
private struct PaxRecords {
    private(set) var path: FilePath?
    private(set) var linkTarget: FilePath?
    private(set) var size: Int64?

    init(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while let space = rest.firstIndex(of: UInt8(ascii: " ")),
            let length = Int(String(decoding: rest[..<space], as: UTF8.self)), length > 0, length <= rest.count
        {
            let record = rest[(space + 1)..<(rest.startIndex + length)].dropLast()
            rest = rest.dropFirst(length)
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let value = record[(equals + 1)...]
            switch String(decoding: record[..<equals], as: UTF8.self) {
            case "path": path = FilePath(bytes: value)
            case "linkpath": linkTarget = FilePath(bytes: value)
            case "size": size = Int64(String(decoding: value, as: UTF8.self))
            default: continue
            }
        }
    }
}
