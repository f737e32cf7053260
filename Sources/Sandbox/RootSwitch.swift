import Kernel
import Synchronization

/// Puts a sandbox's processes onto a root filesystem: the first one, or the next one after its layer was sealed.
enum RootSwitch {
    /// What isorun-init mounted once and every further root takes over.
    private static let kernelFilesystems = ["proc", "sys", "dev"]

    /// What is set once in a life of a sandbox, together with its first root.
    struct Settings {
        let hostname: String
        /// What /dev/shm may hold; the kernel's own choice is half of the machine's memory.
        let sharedMemoryBytes: Int64

        fileprivate func apply() throws(KernelError) {
            try ThreadNamespaces.setHostname(hostname)
            try MountTree.reconfigure("/dev/shm", "size", "\(sharedMemoryBytes)")
        }
    }

    /// Mounts the overlays and makes them the root of every process of the namespaces.
    ///
    /// Until the root is replaced nothing that a process sees has changed; a failure before that undoes what was prepared.
    ///
    /// - Parameters:
    ///   - root: its paths are relative to the store's folder.
    ///   - folders: of the host, to be mounted in it.
    ///   - store: the store's folder, absolute.
    /// - Returns: the former root, which is still on its way out. Until it is gone nothing may be started, and no path be
    ///   looked up, inside: `..` of the new root would lead to it.
    static func perform(
        _ root: RootFilesystem, _ folders: [MountedFolder], store: String, identity: IdentityFiles,
        _ settings: Settings, in process: InitProcess
    ) throws(SandboxError) -> FormerRoot {
        let (former, conversation) = try begin(
            root, folders, store: store, identity: identity, settings, in: process, asks: false)
        try conversation.outcome()
        return former
    }

    /// As above, for a root that replaces another one, and has what is mounted of the host's folders in that.
    ///
    /// - Parameter commit: called on the calling thread when all is ready, just before the root is replaced; when it throws,
    ///   nothing is replaced.
    /// - Returns: the former root, and the folders in the new one.
    static func perform(
        _ root: RootFilesystem, _ folders: [MountedFolder], store: String, identity: IdentityFiles,
        in process: InitProcess, commit: () throws(SandboxError) -> Void
    ) throws(SandboxError) -> (FormerRoot, [MountedFolder]) {
        let (former, conversation) = try begin(
            root, folders, store: store, identity: identity, nil, in: process, asks: true)
        try conversation.answer(commit)
        try conversation.outcome()
        return (former, conversation.folders)
    }

    /// Works on a thread of its own: its namespaces and working directory go with it.
    ///
    /// That thread must start no other one, not even by way of a queue: threads inherit namespaces, and the queue's would go on
    /// inside the sandbox.
    private static func begin(
        _ root: RootFilesystem, _ folders: [MountedFolder], store: String, identity: IdentityFiles,
        _ settings: Settings?, in process: InitProcess, asks: Bool
    ) throws(SandboxError) -> (FormerRoot, Conversation) {
        let former = FormerRoot()
        let conversation = Conversation()
        try onKernel { () throws(KernelError) in
            try Thread.start(name: "root switch") {
                do throws(SandboxError) {
                    let isReplaced = try replace(
                        root, folders, store: store, identity: identity, settings, in: process,
                        consent: { present in
                            conversation.keep(present)
                            return asks ? conversation.ask() : true
                        })
                    conversation.end(nil)
                    if isReplaced { former.leave(process) }
                } catch {
                    conversation.end(error)
                }
            }
        }
        return (former, conversation)
    }

    /// - Returns: false when consent was refused; then all is as before.
    private static func replace(
        _ root: RootFilesystem, _ folders: [MountedFolder], store: String, identity: IdentityFiles,
        _ settings: Settings?, in process: InitProcess, consent: ([MountedFolder]) -> Bool
    ) throws(SandboxError) -> Bool {
        let (overlays, views, folders) = try onKernel { () throws(KernelError) in
            try ThreadNamespaces.separateWorkingDirectory()
            try ThreadNamespaces.changeDirectory(to: store)
            let overlays = try root.overlays()
            let views = try identity.views()
            try process.enterMountsAndHostname()
            var present = folders
            if let settings {
                try settings.apply()
            } else {
                for index in present.indices { present[index] = try present[index].again() }
            }
            // On top of the present root, where nobody sees it: lookups of `/` start below it.
            try overlays[0].mount.attach(at: "/")
            return (overlays, views, present)
        }
        do throws(SandboxError) {
            try onKernel { () throws(KernelError) in
                for overlay in overlays.dropFirst() {
                    try overlay.mount.attach(at: overlay.mountPoint.description, below: overlays[0].mount)
                }
                for view in views { try view.attach(below: overlays[0].mount) }
            }
            for folder in folders { try folder.attach(below: overlays[0].mount) }
            if try replaceRoot(by: overlays[0].mount, { consent(folders) }) { return true }
        } catch {
            // The new root goes; that cannot fail where attaching it did not.
            try? overlays[0].mount.detach()
            throw error
        }
        // As above.
        try? overlays[0].mount.detach()
        return false
    }

    private static func replaceRoot(
        by root: borrowing DetachedMount, _ consent: () -> Bool
    ) throws(SandboxError) -> Bool {
        var moved: [String] = []
        var failure: SandboxError?
        do throws(SandboxError) {
            for name in kernelFilesystems {
                try onKernel { () throws(KernelError) in try root.adopt("/" + name, at: name) }
                moved.append(name)
            }
            if consent() {
                try onKernel { () throws(KernelError) in try root.replaceRoot() }
                return true
            }
        } catch {
            failure = error
        }
        // The way back, which cannot fail where the way there did not.
        for name in moved { try? root.giveBack(name, to: "/" + name) }
        if let failure { throw failure }
        return false
    }
}

/// What the thread inside a sandbox's namespaces and the one that wants the switch say to each other.
private final class Conversation: Sendable {
    /// Nil: everything is ready to be replaced.
    private let preparation = Promise<SandboxError?>()
    private let consent = Promise<Bool>()
    private let failure = Promise<SandboxError?>()
    private let kept = Mutex<[MountedFolder]>([])

    // MARK: Inside

    /// Hands over the folders that the new root has.
    func keep(_ folders: [MountedFolder]) { kept.withLock { $0 = folders } }

    /// Says that everything is ready; whether to go on.
    func ask() -> Bool {
        preparation.fulfil(nil)
        return consent.wait()
    }

    func end(_ error: SandboxError?) {
        preparation.fulfil(error)
        failure.fulfil(error)
    }

    // MARK: Outside

    var folders: [MountedFolder] { kept.withLock { $0 } }

    /// Waits until everything is ready, and lets it go on if `commit` does not throw.
    func answer(_ commit: () throws(SandboxError) -> Void) throws(SandboxError) {
        if let error = preparation.wait() { throw error }
        do throws(SandboxError) {
            try commit()
        } catch {
            consent.fulfil(false)
            _ = failure.wait()
            throw error
        }
        consent.fulfil(true)
    }

    func outcome() throws(SandboxError) {
        if let error = failure.wait() { throw error }
    }
}

/// A root that was replaced and is being dropped, which takes half of the time of the whole switch: the request is answered
/// meanwhile, and the next one waits for it.
final class FormerRoot: Sendable {
    private let isGone = Promise<Void>()

    /// Drops it; on the thread that replaced it.
    fileprivate func leave(_ process: InitProcess) {
        do throws(KernelError) {
            try MountTree.detachFormerRoot()
        } catch {
            // Whatever the kernel's reason: nothing may run where the former root could be reached.
            process.kill()
        }
        isGone.fulfil(())
    }

    func waitUntilGone() { isGone.wait() }
}
