/// The files that travel inside the engine's binary; `EmbedFilePlugin` generates the constants.
public enum EmbeddedFiles {
    /// The static executable that is PID 1 of every sandbox.
    public static func initImage() -> [UInt8] { decodeBase64(initImageBase64) }

    /// The static executable that templates are made of: it only waits.
    public static func templateImage() -> [UInt8] { decodeBase64(templateImageBase64) }

    /// The OpenRPC document that `rpc.discover` answers with, as UTF-8 JSON.
    public static func schema() -> [UInt8] { decodeBase64(schemaBase64) }
}

/// Decodes base64 that `base64 -w0` wrote: no white space, correct padding. Anything else is a broken build.
private func decodeBase64(_ text: StaticString) -> [UInt8] {
    // unsafe: the bytes of a StaticString live as long as the process.
    let source = unsafe UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    var decoded: [UInt8] = []
    decoded.reserveCapacity(text.utf8CodeUnitCount / 4 * 3)
    var accumulator: UInt32 = 0
    var bits = 0
    for index in source.indices {
        let byte = unsafe source[index]
        if byte == UInt8(ascii: "=") { break }
        accumulator = accumulator << 6 | UInt32(sextet(byte))
        bits += 6
        if bits >= 8 {
            bits -= 8
            decoded.append(UInt8(truncatingIfNeeded: accumulator >> UInt32(bits)))
        }
    }
    return decoded
}

private func sextet(_ byte: UInt8) -> UInt8 {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: preconditionFailure("the build embedded something that is not base64")
    }
}
