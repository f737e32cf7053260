import JSON

/// A snapshot as the client sees it (`Snapshot` in the schema).
public struct SnapshotObject: Equatable, Sendable, JSONEncodable {
    public var id: String
    public var name: String?
    public var labels: [String: String]
    /// The sandbox that it was taken of.
    public var sandboxID: String
    /// The snapshot that came before it in the same history.
    public var parentSnapshotID: String?
    public var image: String
    public var createdAt: Timestamp
    /// Bytes of its own layer of files.
    public var sizeBytes: Int
    /// Bytes of captured memory.
    public var memoryBytes: Int
    /// How long the sandbox stood still.
    public var pause: Duration
    public var runtime: RuntimeReport

    public init(
        id: String, name: String?, labels: [String: String], sandboxID: String, parentSnapshotID: String?,
        image: String, createdAt: Timestamp, sizeBytes: Int, memoryBytes: Int, pause: Duration, runtime: RuntimeReport
    ) {
        self.id = id
        self.name = name
        self.labels = labels
        self.sandboxID = sandboxID
        self.parentSnapshotID = parentSnapshotID
        self.image = image
        self.createdAt = createdAt
        self.sizeBytes = sizeBytes
        self.memoryBytes = memoryBytes
        self.pause = pause
        self.runtime = runtime
    }

    public var json: JSONValue {
        .fields([
            "id": id, "name": name, "labels": labels, "sandboxId": sandboxID, "parentSnapshotId": parentSnapshotID,
            "image": image, "createdAt": createdAt, "sizeBytes": sizeBytes, "memoryBytes": memoryBytes,
            "pauseMs": pause, "runtime": runtime,
        ])
    }
}
