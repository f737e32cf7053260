import Glibc
import Synchronization

/// Places where tests make something go wrong. With the environment variable `ISORUN_FAULT=POINT=ACTION` the first thread that comes by
/// the point fails (`fail`), or the whole engine ends without a word (`kill`), or the thread makes the folder `PATH.reached` and waits until `PATH`
/// is there (`wait:PATH`). Without the variable a point costs one comparison.
public enum FaultPoint: String, CaseIterable, Sendable {
    case captureFilesAhead = "capture.files-ahead"
    case captureHeld = "capture.held"
    case captureExamined = "capture.examined"
    case captureProcess = "capture.process"
    case captureFrozen = "capture.frozen"
    case captureFilesCopied = "capture.files-copied"
    case captureReleased = "capture.released"
    case templateBegun = "template.begun"
    case templateFilled = "template.filled"
    case templateDerived = "template.derived"
    case storePages = "store.pages"
    case storeState = "store.state"
    case restoreProcess = "restore.process"
    case restoreMemory = "restore.memory"
    case restoreSockets = "restore.sockets"
    case restoreDescriptors = "restore.descriptors"
    case restoreThreads = "restore.threads"
    case restoreConnected = "restore.connected"
    case rollbackSwitched = "rollback.switched"
    case hibernateCaptured = "hibernate.captured"

    private enum Action {
        case fail, kill
        case wait(path: String)
    }

    private static let order = Mutex<(point: FaultPoint, action: Action)?>(nil)
    private static let hasOrder = Atomic(false)

    /// Takes an order from the environment.
    ///
    /// - Parameter text: as the variable's value.
    /// - Returns: whether the text is an order.
    public static func take(_ text: String) -> Bool {
        let parts = text.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let point = FaultPoint(rawValue: String(parts[0])) else { return false }
        let action: Action
        switch parts[1] {
        case "fail": action = .fail
        case "kill": action = .kill
        case let word where word.hasPrefix("wait:/"): action = .wait(path: String(word.dropFirst(5)))
        default: return false
        }
        order.withLock { $0 = (point, action) }
        hasOrder.store(true, ordering: .releasing)
        return true
    }

    /// Does what was ordered for this point, once.
    ///
    /// - Throws: EIO, as if a call there had failed.
    public func pass() throws(KernelError) {
        if !Self.hasOrder.load(ordering: .acquiring) { return }
        let action = Self.order.withLock { order -> Action? in
            guard let present = order, present.point == self else { return nil }
            order = nil
            return present.action
        }
        switch action {
        case nil: return
        case .fail: throw KernelError("fault", rawValue, errno: Errno(rawValue: EIO))
        // The first process of a pid namespace cannot send itself SIGKILL (pid_namespaces(7)).
        case .kill: _exit(128 + SIGKILL)
        case .wait(let path):
            try OwnedFD.open("/", [.pathOnly, .directory]).makeDirectory(
                FilePath(verbatim: path.dropFirst() + ".reached"), permissions: 0o755)
            // unsafe: the path outlives the call.
            while unsafe access(path, F_OK) != 0 { usleep(1000) }
        }
    }
}
