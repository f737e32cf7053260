import JSON

/// Takes the sandbox's processes out of memory; its id stays valid.
public enum SandboxHibernate: ProtocolRequest {
    public static let method = "sandbox/hibernate"
    public static let isLifecycleOperation = true
    public typealias Params = SandboxOnlyParams
    public typealias Result = SandboxObject
}

/// Brings a hibernated sandbox's processes back.
public enum SandboxResume: ProtocolRequest {
    public static let method = "sandbox/resume"
    public static let isLifecycleOperation = true

    public struct Params: SandboxParams {
        public let sandboxID: String
        public let runtime: RuntimePolicy

        public init(from fields: inout ParamsDecoder) throws(ProtocolError) {
            sandboxID = try fields.required("sandboxId", .id)
            runtime = try fields.optional("runtime", .choice, default: .auto)
        }
    }

    public typealias Result = SandboxObject
}

/// Ends a sandbox for good. A second time is an error.
public enum SandboxDestroy: ProtocolRequest {
    public static let method = "sandbox/destroy"
    public static let isLifecycleOperation = true
    public typealias Params = SandboxOnlyParams

    public struct Result: Equatable, JSONEncodable {
        public let cpuTime: Duration
        public let memPeakBytes: Int
        public let uptime: Duration

        public init(cpuTime: Duration, memPeakBytes: Int, uptime: Duration) {
            self.cpuTime = cpuTime
            self.memPeakBytes = memPeakBytes
            self.uptime = uptime
        }

        public var json: JSONValue {
            .fields([
                "status": SandboxStatus.destroyed, "cpuMs": cpuTime, "memPeakBytes": memPeakBytes, "uptimeMs": uptime,
            ])
        }
    }
}

/// The sandbox's status is another one than before.
public struct SandboxStatusChanged: ServerNotification {
    public static let method = "sandbox/statusChanged"

    public let sandboxID: String
    public let status: SandboxStatus
    public let reason: String?

    public init(sandboxID: String, status: SandboxStatus, reason: String? = nil) {
        self.sandboxID = sandboxID
        self.status = status
        self.reason = reason
    }

    public var json: JSONValue { .fields(["sandboxId": sandboxID, "status": status, "reason": reason]) }
}
