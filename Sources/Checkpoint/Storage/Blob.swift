/// Bytes that are stored as they are; an array would be encoded number by number.
public struct Blob: Codable, Equatable, Sendable {
    public var bytes: [UInt8]

    public init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    public init(from decoder: any Decoder) throws {
        guard let reader = decoder as? ImageReader else { throw ImageError.malformed("bytes outside of an image") }
        bytes = try reader.readBytes()
    }

    public func encode(to encoder: any Encoder) throws {
        guard let writer = encoder as? ImageWriter else { throw ImageError.malformed("bytes outside of an image") }
        writer.write(bytes)
    }
}
