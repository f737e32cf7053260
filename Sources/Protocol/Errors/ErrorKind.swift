/// Every way in which a request can fail: the stable name that `data.kind` carries, and its code.
///
/// The only place where a JSON-RPC code is written down.
public enum ErrorKind: String, CaseIterable, Sendable {
    // JSON-RPC 2.0 and LSP.
    case parseError = "ParseError"
    case invalidRequest = "InvalidRequest"
    case methodNotFound = "MethodNotFound"
    case invalidParams = "InvalidParams"
    case internalError = "InternalError"
    case serverNotInitialized = "ServerNotInitialized"
    case requestCancelled = "RequestCancelled"

    case sandboxNotFound = "SandboxNotFound"
    case sandboxDestroyed = "SandboxDestroyed"
    case wrongState = "WrongState"
    case sandboxFailed = "SandboxFailed"

    case snapshotNotFound = "SnapshotNotFound"
    case snapshotIncompatible = "SnapshotIncompatible"
    case snapshotCorrupt = "SnapshotCorrupt"

    case imageNotFound = "ImageNotFound"
    case imageInvalid = "ImageInvalid"
    case imageInUse = "ImageInUse"
    case pullFailed = "PullFailed"

    case processNotFound = "ProcessNotFound"
    case commandNotFound = "CommandNotFound"
    case commandNotExecutable = "CommandNotExecutable"
    case stdinClosed = "StdinClosed"

    case pathNotFound = "PathNotFound"
    case pathExists = "PathExists"
    case pathNotDirectory = "PathNotDirectory"
    case pathIsDirectory = "PathIsDirectory"
    case permissionDenied = "PermissionDenied"
    case commitConflict = "CommitConflict"

    case runtimeStateUnsupported = "RuntimeStateUnsupported"
    case limitExceeded = "LimitExceeded"
    case noSpace = "NoSpace"
    case networkUnavailable = "NetworkUnavailable"
    case hostUnsupported = "HostUnsupported"
    case storeLocked = "StoreLocked"
    case storeCorrupt = "StoreCorrupt"

    public var code: Int {
        switch self {
        case .parseError: -32700
        case .invalidRequest: -32600
        case .methodNotFound: -32601
        case .invalidParams: -32602
        case .internalError: -32603
        case .serverNotInitialized: -32002
        case .requestCancelled: -32800
        case .sandboxNotFound: 1001
        case .sandboxDestroyed: 1002
        case .wrongState: 1003
        case .sandboxFailed: 1004
        case .snapshotNotFound: 1010
        case .snapshotIncompatible: 1011
        case .snapshotCorrupt: 1012
        case .imageNotFound: 1020
        case .imageInvalid: 1021
        case .imageInUse: 1022
        case .pullFailed: 1023
        case .processNotFound: 1030
        case .commandNotFound: 1031
        case .commandNotExecutable: 1032
        case .stdinClosed: 1033
        case .pathNotFound: 1040
        case .pathExists: 1041
        case .pathNotDirectory: 1042
        case .pathIsDirectory: 1043
        case .permissionDenied: 1044
        case .commitConflict: 1045
        case .runtimeStateUnsupported: 1050
        case .limitExceeded: 1060
        case .noSpace: 1061
        case .networkUnavailable: 1070
        case .hostUnsupported: 1080
        case .storeLocked: 1090
        case .storeCorrupt: 1091
        }
    }
}
