import JSON

/// What the engine is and can do here, as `initialize` says it.
public enum EngineInfo: ProtocolRequest {
    public static let method = "engine/info"
    public typealias Params = NoParams

    public struct Result: Equatable, JSONEncodable {
        public let version: String
        public let capabilities: Capabilities
        public let host: HostFacts

        public init(version: String, capabilities: Capabilities, host: HostFacts) {
            self.version = version
            self.capabilities = capabilities
            self.host = host
        }

        public var json: JSONValue {
            .fields([
                "version": version, "protocolVersion": Registry.protocolVersion, "capabilities": capabilities,
                "host": host,
            ])
        }
    }
}

/// What the engine does and uses now.
public enum EngineStats: ProtocolRequest {
    public static let method = "engine/stats"
    public typealias Params = NoParams

    public struct Result: Equatable, JSONEncodable {
        public let uptime: Duration
        public let sandboxesRunning: Int
        public let sandboxesHibernated: Int
        public let execsRunning: Int
        public let requestsRunning: Int
        /// Of the engine itself, without its sandboxes.
        public let memBytes: Int
        public let openFiles: Int
        /// Bytes of answers and output that the client has not taken yet.
        public let queuedBytes: Int

        public init(
            uptime: Duration, sandboxesRunning: Int, sandboxesHibernated: Int, execsRunning: Int,
            requestsRunning: Int, memBytes: Int, openFiles: Int, queuedBytes: Int
        ) {
            self.uptime = uptime
            self.sandboxesRunning = sandboxesRunning
            self.sandboxesHibernated = sandboxesHibernated
            self.execsRunning = execsRunning
            self.requestsRunning = requestsRunning
            self.memBytes = memBytes
            self.openFiles = openFiles
            self.queuedBytes = queuedBytes
        }

        public var json: JSONValue {
            .fields([
                "uptimeMs": uptime,
                "sandboxes": JSONValue.fields(["running": sandboxesRunning, "hibernated": sandboxesHibernated]),
                "execsRunning": execsRunning, "requestsRunning": requestsRunning, "memBytes": memBytes,
                "openFiles": openFiles, "queuedBytes": queuedBytes,
            ])
        }
    }
}

/// Removes from the store what nothing names any more.
public enum EngineCollectGarbage: ProtocolRequest {
    public static let method = "engine/gc"

    public struct Params: ParamsDecodable {
        /// Only counts what would be removed.
        public let dryRun: Bool

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            dryRun = try fields.optional("dryRun", .boolean, default: false)
        }
    }

    public struct Result: Equatable, JSONEncodable {
        /// How many of each kind.
        public struct Removed: Equatable, JSONEncodable {
            public let layers: Int
            public let snapshots: Int
            public let sandboxes: Int
            /// Left-overs of operations that were cut short.
            public let files: Int

            public init(layers: Int, snapshots: Int, sandboxes: Int, files: Int) {
                self.layers = layers
                self.snapshots = snapshots
                self.sandboxes = sandboxes
                self.files = files
            }

            public var json: JSONValue {
                .fields(["layers": layers, "snapshots": snapshots, "sandboxes": sandboxes, "files": files])
            }
        }

        public let freedBytes: Int
        public let removed: Removed

        public init(freedBytes: Int, removed: Removed) {
            self.freedBytes = freedBytes
            self.removed = removed
        }

        public var json: JSONValue { .fields(["freedBytes": freedBytes, "removed": removed]) }
    }
}
