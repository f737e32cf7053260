import CNettle

/// SHA-256 (FIPS 180-4), fed part by part. For digests of images, which name what was unpacked.
///
/// By libnettle, which uses the processor's own instructions for it where there are any: an import hashes every byte twice,
/// before and after decompression, and must not be slower than the decompressor for that.
struct SHA256 {
    private var context = sha256_ctx()

    // unsafe, here and below: the context is a plain struct that the call works on and does not keep.
    init() { unsafe nettle_sha256_init(&context) }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        unsafe nettle_sha256_update(&context, bytes.count, start.assumingMemoryBound(to: UInt8.self))
    }

    mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe update($0) }
    }

    /// The digest of all that was fed.
    consuming func finish() -> ImageDigest {
        var bytes = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_SIZE))
        unsafe nettle_sha256_digest(&context, bytes.count, &bytes)
        return ImageDigest(bytes: bytes)
    }
}

extension ImageDigest {
    /// The digest of a whole text.
    init(of bytes: [UInt8]) {
        var hash = SHA256()
        hash.update(bytes)
        self = hash.finish()
    }

    fileprivate init(bytes: [UInt8]) {
        let hex = bytes.map { (byte: UInt8) -> String in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }
        guard let digest = ImageDigest(rawValue: Self.algorithm + hex.joined()) else {
            preconditionFailure("SHA-256 gives 64 digits")
        }
        self = digest
    }
}
