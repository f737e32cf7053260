/// Base64 of RFC 4648, section 4: the standard alphabet, with padding, without line breaks.
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")

    /// The six bits of each byte of the alphabet; 0xff for every other byte.
    private static let sextets: [UInt8] = {
        var table = [UInt8](repeating: 0xff, count: 256)
        for (value, byte) in alphabet.enumerated() { table[Int(byte)] = UInt8(value) }
        return table
    }()

    public static func encode(_ bytes: [UInt8]) -> String {
        let count = (bytes.count + 2) / 3 * 4
        let alphabet = alphabet
        return unsafe String(unsafeUninitializedCapacity: count) { output in
            // unsafe: `count` bytes are written, in order, from the first to the last.
            var position = 0
            for start in stride(from: 0, to: bytes.count, by: 3) {
                let left = bytes.count - start
                let group =
                    UInt32(bytes[start]) << 16 | (left > 1 ? UInt32(bytes[start + 1]) << 8 : 0)
                    | (left > 2 ? UInt32(bytes[start + 2]) : 0)
                unsafe output[position] = alphabet[Int(group >> 18)]
                unsafe output[position + 1] = alphabet[Int(group >> 12 & 63)]
                unsafe output[position + 2] = left > 1 ? alphabet[Int(group >> 6 & 63)] : padding
                unsafe output[position + 3] = left > 2 ? alphabet[Int(group & 63)] : padding
                position += 4
            }
            return count
        }
    }

    /// Decodes strictly: nil for any byte outside the alphabet, missing or misplaced padding, and padded bits that
    /// are not zero, so that each content has exactly one spelling.
    public static func decode(_ text: String) -> [UInt8]? {
        var text = text
        return text.withUTF8 { input in
            // unsafe: the buffer is only read, within its bounds.
            let count = input.count
            guard count % 4 == 0 else { return nil }
            guard count > 0 else { return [] }
            let padded = unsafe input[count - 1] != padding ? 0 : input[count - 2] != padding ? 1 : 2
            let sextets = sextets
            var bytes: [UInt8] = []
            bytes.reserveCapacity(count / 4 * 3)
            var group: UInt32 = 0
            for index in 0..<(count - padded) {
                let sextet = unsafe sextets[Int(input[index])]
                guard sextet != 0xff else { return nil }
                group = group << 6 | UInt32(sextet)
                guard index % 4 == 3 else { continue }
                bytes.append(UInt8(truncatingIfNeeded: group >> 16))
                bytes.append(UInt8(truncatingIfNeeded: group >> 8))
                bytes.append(UInt8(truncatingIfNeeded: group))
            }
            switch padded {
            case 1:
                guard group & 0b11 == 0 else { return nil }
                bytes.append(UInt8(truncatingIfNeeded: group >> 10))
                bytes.append(UInt8(truncatingIfNeeded: group >> 2))
            case 2:
                guard group & 0b1111 == 0 else { return nil }
                bytes.append(UInt8(truncatingIfNeeded: group >> 4))
            default: break
            }
            return bytes
        }
    }
}
