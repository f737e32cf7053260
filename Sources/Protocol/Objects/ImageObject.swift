import JSON

/// An image as the client sees it (`Image` in the schema).
public struct ImageObject: Equatable, Sendable, JSONEncodable {
    /// What its maker set for every command.
    public struct Config: Equatable, Sendable, JSONEncodable {
        public let env: [String: String]
        public let cwd: String
        public let user: String
        public let entrypoint: [String]?
        public let cmd: [String]?

        public init(
            env: [String: String], cwd: String, user: String, entrypoint: [String]? = nil, cmd: [String]? = nil
        ) {
            self.env = env
            self.cwd = cwd
            self.user = user
            self.entrypoint = entrypoint
            self.cmd = cmd
        }

        public var json: JSONValue {
            .fields(["env": env, "cwd": cwd, "user": user, "entrypoint": entrypoint, "cmd": cmd])
        }
    }

    public let ref: String
    public let digest: String
    /// Bytes of its unpacked layers.
    public let sizeBytes: Int
    /// How many layers it has.
    public let layers: Int
    public let createdAt: Timestamp
    public let config: Config

    public init(ref: String, digest: String, sizeBytes: Int, layers: Int, createdAt: Timestamp, config: Config) {
        self.ref = ref
        self.digest = digest
        self.sizeBytes = sizeBytes
        self.layers = layers
        self.createdAt = createdAt
        self.config = config
    }

    public var json: JSONValue {
        .fields([
            "ref": ref, "digest": digest, "sizeBytes": sizeBytes, "layers": layers, "createdAt": createdAt,
            "config": config,
        ])
    }
}
