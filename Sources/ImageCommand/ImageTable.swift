import Glibc
import JSON
import Kernel
import Store

/// The images of a store, as `image ls` shows them.
struct ImageTable {
    private let rows: [(reference: String, image: ImageRecord)]

    init(of store: Store) throws(StoreError) {
        var rows: [(reference: String, image: ImageRecord)] = []
        let listing = try store.listReferences()
        for (name, error) in listing.damaged {
            StandardError.write(Array("isorun-engine: \(name) is left out: \(error)\n".utf8))
        }
        for found in listing.records { rows.append((found.reference, try store.image(found.digest))) }
        self.rows = rows
    }

    func lines(json: Bool) -> [String] {
        if json {
            let images = rows.map { row -> JSONValue in
                [
                    "ref": .string(row.reference), "digest": .string(row.image.digest.rawValue),
                    "layers": .int(Int64(row.image.layers.count)), "sizeBytes": .int(row.image.sizeBytes),
                ]
            }
            let document: JSONValue = ["images": .array(images)]
            return [String(decoding: document.serialized(), as: UTF8.self)]
        }
        let cells = [["REF", "DIGEST", "LAYERS", "SIZE"]] + rows.map { Self.cells($0.reference, $0.image) }
        let widths = (0..<3).map { column in cells.map { $0[column].count }.max() ?? 0 }
        return cells.map { row in
            let padded = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return (padded + row.suffix(1)).joined(separator: "  ")
        }
    }

    /// One image in one line, for whoever has just made it.
    static func summary(_ reference: String, _ image: ImageRecord) -> String {
        "\(reference)  \(image.digest)  \(image.layers.count) layers  \(ByteCount(image.sizeBytes))"
    }

    private static func cells(_ reference: String, _ image: ImageRecord) -> [String] {
        // As much of the digest as tells images apart.
        let digest = String(image.digest.rawValue.prefix("sha256:".count + 12))
        return [reference, digest, "\(image.layers.count)", "\(ByteCount(image.sizeBytes))"]
    }
}

/// What a command was asked for.
enum StandardOutput {
    /// - Returns: false when nobody takes it.
    static func write(_ text: String) -> Bool {
        do throws(KernelError) {
            try OwnedFD(takingOver: check("dup") { dup(1) }).writeAll(Array(text.utf8))
            return true
        } catch {
            return false
        }
    }
}
