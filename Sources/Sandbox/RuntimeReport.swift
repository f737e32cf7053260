import Checkpoint

extension Sandbox {
    /// What a snapshot keeps of the processes that were running, and what not.
    public struct RuntimeReport: Sendable, Equatable {
        public struct Dropped: Sendable, Equatable {
            public let pid: Int32
            public let command: String
            public let reason: String
        }

        public struct Reset: Sendable, Equatable {
            public let pid: Int32
            public let command: String
            public let what: String
        }

        /// How many processes' memory is kept.
        public var kept: Int
        public var dropped: [Dropped] = []
        public var reset: [Reset] = []

        public init(kept: Int = 0) { self.kept = kept }

        init(_ explanation: RuntimeExplanation) {
            kept = explanation.kept
            for process in explanation.processes {
                if let reason = process.lost {
                    dropped.append(.init(pid: process.pid, command: process.command, reason: reason))
                }
                reset += process.resets.map { .init(pid: process.pid, command: process.command, what: $0) }
            }
        }
    }
}

/// What a snapshot shall do about running processes.
public enum RuntimeChoice: String, Sendable {
    /// Keep what can be kept, report the rest.
    case auto
    /// Keep all or fail before anything is touched.
    case require
    /// Files only.
    case none
}
