import CKernel
import Synchronization

/// How ids of the engine's user namespace relate to the host's; see docs/architecture.md.
public enum IDMapping: Sendable {
    /// Started by root: 65,536 ids of a high range, and above them the host's own ids.
    case root
    /// The caller's own id as 0, and 65,535 subordinate ids.
    case subordinate
    /// Only the caller's own id, as 0.
    case single

    init(_ mapping: ck_id_mapping) {
        self =
            switch mapping {
            case CK_IDS_ROOT: .root
            case CK_IDS_SUBORDINATE: .subordinate
            default: .single
            }
    }

    /// How many ids a sandbox has, from 0.
    public var idsPerSandbox: UInt32 { self == .single ? 1 : UInt32(CK_IDS_PER_SANDBOX) }
}

/// What the process learnt on its way into the engine's own namespaces.
public struct Launch: Sendable {
    public let ids: IDMapping
    /// As root: descriptor of a detached, id-mapped copy of the mount at `/`; it stays open as long as the process.
    public let hostRootDescriptor: Int32?
    /// Why `ids` or the host root are less than they could be; empty when nothing is missing.
    public let problem: String
    /// The caller's ids, as the host numbers them.
    public let hostUser: UInt32
    public let hostGroup: UInt32
    private let control: Int32
    private let conversation = LauncherConversation()

    /// The ids, in the engine's user namespace, of who started the engine: the owner of what is made for the host.
    public var hostOwner: (user: UInt32, group: UInt32) {
        switch ids {
        case .root: (ids.idsPerSandbox + hostUser, ids.idsPerSandbox + hostGroup)
        case .subordinate, .single: (0, 0)
        }
    }

    /// Enters the engine's user, mount and pid namespaces. The first thing in `main`: no thread may exist.
    ///
    /// Returns in a new process, which is PID 1 of its pid namespace; the calling one stays outside, forwards signals and
    /// ends as the new one ends.
    ///
    /// - Throws: a sentence for a person, when the namespaces cannot be had.
    public static func enterNamespaces() throws(LaunchError) -> Launch {
        var launched = ck_launched()
        let result = unsafe ck_launch(&launched)
        // unsafe: the shim ends its text with 0 within the field.
        let problem = unsafe withUnsafeBytes(of: &launched.problem) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if result != 0 { throw LaunchError(reason: problem) }
        return Launch(
            ids: IDMapping(launched.ids), hostRootDescriptor: launched.host_root >= 0 ? launched.host_root : nil,
            problem: problem,
            hostUser: launched.host_uid, hostGroup: launched.host_gid, control: launched.control)
    }

    /// Ends the engine (SIGTERM) when a process of the host ends, or at once when there is no such process.
    public func watch(hostProcess pid: Int32) throws(KernelError) {
        var request = ck_launcher_request()
        request.watched = pid
        try send(request)
    }

    /// Has a control group removed, with the empty groups in it, if the engine ends without doing so.
    ///
    /// - Parameter path: at most 255 bytes; a longer one is the engine's alone to remove.
    public func cleanUp(controlGroup path: String) throws(KernelError) {
        var request = ck_launcher_request()
        let bytes = Array(path.utf8)
        // unsafe: the copy stays within the field and leaves its last byte 0.
        unsafe withUnsafeMutableBytes(of: &request.control_group) { field in
            if bytes.count < field.count { unsafe field.copyBytes(from: bytes) }
        }
        try send(request)
    }

    /// A copy of the mount at a folder of the host, with all beneath, on which the host's ids appear as the sandboxes' ids. Only
    /// as root.
    ///
    /// - Parameter path: absolute; no symlink leads to it.
    public func mappedFolder(_ path: String) throws(KernelError) -> DetachedMount {
        var request = ck_launcher_request()
        let bytes = Array(path.utf8)
        // unsafe: the copy stays within the field and leaves its last byte 0.
        let fits = unsafe withUnsafeMutableBytes(of: &request.mapped_folder) { field in
            if bytes.count >= field.count { return false }
            unsafe field.copyBytes(from: bytes)
            return true
        }
        if !fits { throw KernelError("open_tree", path, errno: .nameTooLong) }
        let asked = request
        return try conversation.lock.withLock { _ throws(KernelError) in
            try transmit(asked)
            var answer = ck_launcher_answer()
            var (descriptor, count): (Int32, Int32) = (-1, 0)
            // unsafe: the shim fills the plain struct, and one descriptor, which is all that the launcher sends.
            try check("recv", "the launcher") {
                unsafe ck_receive_with_descriptors(
                    control, &answer, MemoryLayout<ck_launcher_answer>.size, &descriptor, &count, 0)
            }
            if count != 1 { throw KernelError("open_tree", path, errno: Errno(rawValue: answer.error)) }
            return DetachedMount(takingOver: OwnedFD(takingOver: descriptor))
        }
    }

    private func send(_ request: ck_launcher_request) throws(KernelError) {
        try conversation.lock.withLock { _ throws(KernelError) in try transmit(request) }
    }

    private func transmit(_ request: ck_launcher_request) throws(KernelError) {
        // unsafe: the bytes of a plain C struct.
        let bytes = unsafe withUnsafeBytes(of: request) { unsafe Array($0) }
        try check("send", "the launcher") { unsafe ck_send_with_descriptors(control, bytes, bytes.count, nil, 0) }
    }
}

/// Held while a request is sent to the launcher and its answer, if it has one, is waited for.
private final class LauncherConversation: Sendable {
    let lock = Mutex(())
}

/// The engine's namespaces cannot be had.
public struct LaunchError: Error {
    public let reason: String
}
