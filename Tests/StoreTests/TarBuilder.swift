import CArchive
import Kernel

@testable import Store

/// Builds tar archives byte by byte (POSIX.1-2001, ustar and pax), also such as no tar program writes.
struct TarBuilder {
    private(set) var bytes: [UInt8] = []

    enum Kind: UInt8 {
        case regular = 0x30
        case hardLink, symlink, character, block, directory, fifo
    }

    mutating func add(
        _ path: String, _ kind: Kind = .regular, content: [UInt8] = [], target: String = "", mode: UInt32 = 0o644,
        owner: Int = 0, group: Int = 0, modified: Int = 1_700_000_000, pax: [String: String] = [:]
    ) {
        if !pax.isEmpty {
            let records = pax.sorted { $0.key < $1.key }.map { Self.paxRecord($0.key, $0.value) }.joined()
            appendHeader(path: "pax", typeFlag: UInt8(ascii: "x"), size: records.count)
            appendPadded(Array(records))
        }
        appendHeader(
            path: path, typeFlag: kind.rawValue, size: content.count, target: target, mode: mode, owner: owner,
            group: group, modified: modified)
        appendPadded(content)
    }

    /// The archive with the two blocks of zeros that end it.
    func finished() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    private static func paxRecord(_ key: String, _ value: String) -> [UInt8] {
        let body = " \(key)=\(value)\n"
        var length = body.utf8.count + 1
        while String(length).utf8.count + body.utf8.count != length { length += 1 }
        return Array((String(length) + body).utf8)
    }

    private mutating func appendPadded(_ content: [UInt8]) {
        bytes += content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    private mutating func appendHeader(
        path: String, typeFlag: UInt8, size: Int, target: String = "", mode: UInt32 = 0o644, owner: Int = 0,
        group: Int = 0, modified: Int = 0
    ) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int, room: Int) {
            for (index, byte) in text.utf8.prefix(room).enumerated() { header[offset + index] = byte }
        }
        func octal(_ value: Int, _ digits: Int) -> String {
            let text = String(value, radix: 8)
            return String(repeating: "0", count: digits - text.count) + text
        }
        put(path, at: 0, room: 100)
        put(octal(Int(mode), 7), at: 100, room: 7)
        put(octal(owner, 7), at: 108, room: 7)
        put(octal(group, 7), at: 116, room: 7)
        put(octal(size, 11), at: 124, room: 11)
        put(octal(modified, 11), at: 136, room: 11)
        put("        ", at: 148, room: 8)
        header[156] = typeFlag
        put(target, at: 157, room: 100)
        put("ustar\u{0}00", at: 257, room: 8)
        put("0000001", at: 329, room: 7)
        put("0000003", at: 337, room: 7)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6) + "\u{0} ", at: 148, room: 8)
        bytes += header
    }
}

/// Compresses bytes with one of libarchive's filters.
func compress(_ bytes: [UInt8], _ filter: Int32) -> [UInt8] {
    let archive = archive_write_new()
    defer { archive_write_free(archive) }
    archive_write_set_format_raw(archive)
    archive_write_add_filter(archive, filter)
    var compressed = [UInt8](repeating: 0, count: bytes.count + 100_000)
    var used = 0
    let count = compressed.count
    compressed.withUnsafeMutableBytes { buffer in
        archive_write_open_memory(archive, buffer.baseAddress, count, &used)
        let entry = archive_entry_new()
        archive_entry_set_filetype(entry, 0o100000)
        archive_write_header(archive, entry)
        _ = bytes.withUnsafeBytes { archive_write_data(archive, $0.baseAddress, $0.count) }
        archive_entry_free(entry)
        archive_write_close(archive)
    }
    return Array(compressed.prefix(used))
}
