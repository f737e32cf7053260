import CKernel
import Glibc

/// Attributes of a mount.
public struct MountAttributes: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let readOnly = MountAttributes(rawValue: UInt32(CK_MOUNT_ATTR_RDONLY))
    public static let noSetuid = MountAttributes(rawValue: UInt32(CK_MOUNT_ATTR_NOSUID))
    public static let noDevices = MountAttributes(rawValue: UInt32(CK_MOUNT_ATTR_NODEV))
    public static let noExecution = MountAttributes(rawValue: UInt32(CK_MOUNT_ATTR_NOEXEC))
}

/// A mount that is in no mount namespace yet: it goes away with its owner unless it was attached.
///
/// From fsmount(2) and open_tree(2), Linux 5.2.
public struct DetachedMount: ~Copyable, Sendable {
    private let descriptor: OwnedFD

    /// Takes over a descriptor of fsmount or open_tree.
    public init(takingOver descriptor: consuming OwnedFD) { self.descriptor = descriptor }

    /// The mount's root folder, for calls that work beneath an open folder.
    public func root() throws(KernelError) -> OwnedFD {
        // unsafe: the path is valid while the call lasts.
        OwnedFD(
            takingOver: try check("openat", "a mount's root") {
                unsafe openat(descriptor.rawValue, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            })
    }

    /// A copy of the mount at a path, with what is mounted beneath when `recursive`.
    public init(cloning path: String, recursive: Bool = false) throws(KernelError) {
        let flags = UInt32(CK_OPEN_TREE_CLONE) | (recursive ? UInt32(CK_AT_RECURSIVE) : 0)
        self.init(
            takingOver: OwnedFD(
                takingOver: try check("open_tree", path) { unsafe ck_open_tree(AT_FDCWD, path, flags) }))
    }

    /// A copy of what an open file or folder is the top of, with all that is mounted beneath.
    public init(cloning folder: borrowing OwnedFD) throws(KernelError) {
        let flags = UInt32(CK_OPEN_TREE_CLONE) | UInt32(CK_AT_RECURSIVE)
        self.init(
            takingOver: OwnedFD(
                takingOver: try check("open_tree") { unsafe ck_open_tree(folder.rawValue, "", flags) }))
    }

    /// A copy of this mount, which is attached in the calling thread's mount namespace, with all beneath.
    public func copy() throws(KernelError) -> DetachedMount { try DetachedMount(cloning: descriptor) }

    /// A fresh filesystem.
    ///
    /// - Parameters:
    ///   - filesystem: the type's name, as `overlay`.
    ///   - options: key and value, in order; a nil value is a flag.
    public init(
        filesystem: String, options: [(key: String, value: String?)], attributes: MountAttributes = []
    ) throws(KernelError) {
        let context = OwnedFD(takingOver: try check("fsopen", filesystem) { unsafe ck_fsopen(filesystem) })
        do throws(KernelError) {
            for (key, value) in options {
                try check("fsconfig", "\(filesystem) \(key)=\(value ?? "")") {
                    if let value { return unsafe ck_fsconfig_string(context.rawValue, key, value) }
                    return unsafe ck_fsconfig_flag(context.rawValue, key)
                }
            }
            try check("fsconfig(CREATE)", filesystem) { ck_fsconfig_create(context.rawValue) }
        } catch {
            throw KernelError(error.call, error.subject + Self.explanation(of: context), errno: error.errno)
        }
        let mount = try check("fsmount", filesystem) { ck_fsmount(context.rawValue, attributes.rawValue) }
        self.init(takingOver: OwnedFD(takingOver: mount))
    }

    /// The filesystem's own words on a refusal, which the kernel queues in the context.
    private static func explanation(of context: borrowing OwnedFD) -> String {
        // unsafe: the shim fills at most 256 bytes and ends them with 0; its result is their count.
        let text = unsafe String(unsafeUninitializedCapacity: 256) { buffer in
            let chars = unsafe UnsafeMutableRawPointer(buffer.baseAddress!).assumingMemoryBound(to: CChar.self)
            return unsafe Int(ck_fscontext_message(context.rawValue, chars, 256))
        }
        return text.isEmpty ? "" : " (\(text.filter { $0 != "\n" }))"
    }

    /// Changes attributes of the mount, of all beneath too when `recursive`.
    public func set(_ attributes: MountAttributes, recursive: Bool = false) throws(KernelError) {
        try check("mount_setattr") {
            unsafe ck_mount_setattr(descriptor.rawValue, "", recursive ? 1 : 0, UInt64(attributes.rawValue), 0, -1)
        }
    }

    /// Attaches the mount at a path. The value keeps naming its root.
    public func attach(at path: String) throws(KernelError) {
        try check("move_mount", path) { unsafe ck_move_mount(descriptor.rawValue, "", AT_FDCWD, path) }
    }

    /// Attaches the mount at a path below another mount's root.
    public func attach(at path: String, below root: borrowing DetachedMount) throws(KernelError) {
        try check("move_mount", path) {
            unsafe ck_move_mount(descriptor.rawValue, "", root.descriptor.rawValue, path)
        }
    }

    /// Attaches the mount at an open folder.
    public func attach(onto folder: borrowing OwnedFD) throws(KernelError) {
        try check("move_mount") { unsafe ck_move_mount(descriptor.rawValue, "", folder.rawValue, "") }
    }

    /// Where the mount is attached in the calling thread's mount namespace; moves the thread's working directory there.
    public func mountPoint() throws(KernelError) -> String {
        try check("fchdir") { fchdir(descriptor.rawValue) }
        var path = [UInt8](repeating: 0, count: Int(PATH_MAX))
        // unsafe: the call fills at most the array and ends the text with 0.
        let end = unsafe path.withUnsafeMutableBytes { bytes in
            unsafe getcwd(bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        if unsafe end == nil { throw KernelError("getcwd", errno: .current) }
        return String(decoding: path.prefix { $0 != 0 }, as: UTF8.self)
    }

    // MARK: Attached, as the root of the calling thread's mount namespace to be

    /// Moves what is mounted at an absolute path to a place below this mount's root.
    public func adopt(_ path: String, at target: String) throws(KernelError) {
        try check("move_mount", path) { unsafe ck_move_mount(AT_FDCWD, path, descriptor.rawValue, target) }
    }

    /// Moves what is mounted below this mount's root to an absolute path.
    public func giveBack(_ target: String, to path: String) throws(KernelError) {
        try check("move_mount", target) { unsafe ck_move_mount(descriptor.rawValue, target, AT_FDCWD, path) }
    }

    /// Makes this mount the root of every process of the namespace whose root is the present one. The former one then lies
    /// on top of it, at the calling thread's working directory, until `MountTree.detachFormerRoot`
    /// (pivot_root(2), "pivot_root(".", ".")").
    public func replaceRoot() throws(KernelError) {
        try check("fchdir") { fchdir(descriptor.rawValue) }
        try check("pivot_root") { unsafe ck_pivot_root(".", ".") }
    }

    /// Takes this mount out of the tree again.
    public func detach() throws(KernelError) {
        try check("fchdir") { fchdir(descriptor.rawValue) }
        try check("umount2") { unsafe ck_umount_detach(".") }
    }
}

/// The mount tree of the calling thread's mount namespace.
public enum MountTree {
    /// Drops the root that `DetachedMount.replaceRoot` has replaced, on the same thread. Takes a grace period of RCU, about
    /// half a millisecond (fs/namespace.c, namespace_unlock).
    public static func detachFormerRoot() throws(KernelError) {
        try check("umount2", "the former root") { unsafe ck_umount_detach(".") }
    }

    /// Changes one option of the filesystem that is mounted at a path.
    public static func reconfigure(_ path: String, _ key: String, _ value: String) throws(KernelError) {
        let context = OwnedFD(takingOver: try check("fspick", path) { unsafe ck_fspick(path) })
        try check("fsconfig", "\(path) \(key)=\(value)") {
            unsafe ck_fsconfig_string(context.rawValue, key, value)
        }
        try check("fsconfig(RECONFIGURE)", path) { ck_fsconfig_reconfigure(context.rawValue) }
    }

    /// Takes what is mounted at a path, and all beneath, out of the tree; it goes when nobody uses it any more.
    public static func detach(_ path: String) throws(KernelError) {
        try check("umount2", path) { unsafe ck_umount_detach(path) }
    }
}

/// Puts the calling thread, alone of its process, into namespaces of another process.
///
/// Only for a thread of its own (`Thread.run`): there is no way back.
public enum ThreadNamespaces {
    /// Gives the thread a working directory and root of its own; a mount namespace wants that (setns(2)).
    public static func separateWorkingDirectory() throws(KernelError) {
        try check("unshare(CLONE_FS)") { ck_unshare_fs() }
    }

    public static func changeDirectory(to path: String) throws(KernelError) {
        // unsafe: the path is valid while the call lasts.
        try check("chdir", path) { unsafe chdir(path) }
    }

    /// Names the host of the thread's uts namespace.
    public static func setHostname(_ name: String) throws(KernelError) {
        // unsafe: the kernel reads the name within the call.
        try check("sethostname", name) { unsafe ck_sethostname(name) }
    }

    /// Enters the mount and uts namespaces of a process; the thread's root and working directory become that root.
    public static func enterMountsAndHostname(of process: borrowing PidFD) throws(KernelError) {
        try check("setns", "\(process.pid)") {
            ck_setns(process.rawDescriptor, Int32(CK_CLONE_NEWNS) | Int32(CK_CLONE_NEWUTS))
        }
    }

    /// Enters the network and ipc namespaces of a process: sockets made from here on are that network's.
    public static func enterNetwork(of process: borrowing PidFD) throws(KernelError) {
        try check("setns", "\(process.pid)") {
            ck_setns(process.rawDescriptor, Int32(CK_CLONE_NEWNET) | Int32(CK_CLONE_NEWIPC))
        }
    }
}
