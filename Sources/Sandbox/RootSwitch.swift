import Kernel

/// Puts a sandbox's processes onto a root filesystem: the first one, or the next one after its layer was sealed.
enum RootSwitch {
    /// What isorun-init mounted once and every further root takes over.
    private static let kernelFilesystems = ["proc", "sys", "dev"]

    /// Mounts the overlays and makes them the root of every process of the namespaces.
    ///
    /// Until the root is replaced nothing that a process sees has changed; a failure before that undoes what was prepared.
    ///
    /// - Parameters:
    ///   - root: its paths are relative to the store's folder.
    ///   - store: the store's folder, absolute.
    ///   - hostname: set when not nil.
    ///   - commit: called when all is ready, just before the root is replaced; when it throws, nothing is replaced.
    /// - Returns: the former root, which is still on its way out. Until it is gone nothing may be started, and no path be
    ///   looked up, inside: `..` of the new root would lead to it.
    static func perform(
        _ root: RootFilesystem, store: String, identity: IdentityFiles, hostname: String?,
        in process: InitProcess, commit: @escaping @Sendable () throws(SandboxError) -> Void = {}
    ) throws(SandboxError) -> FormerRoot {
        let former = FormerRoot()
        let outcome = Promise<Result<Void, SandboxError>>()
        // The thread's namespaces and working directory go with it.
        try onKernel { () throws(KernelError) in
            try Thread.start(name: "root switch") {
                do throws(SandboxError) {
                    try replace(root, store: store, identity: identity, hostname: hostname, in: process, commit)
                } catch {
                    outcome.fulfil(.failure(error))
                    return
                }
                outcome.fulfil(.success(()))
                former.leave(process)
            }
        }
        try outcome.wait().get()
        return former
    }

    private static func replace(
        _ root: RootFilesystem, store: String, identity: IdentityFiles, hostname: String?, in process: InitProcess,
        _ commit: () throws(SandboxError) -> Void
    ) throws(SandboxError) {
        let (overlays, views) = try onKernel { () throws(KernelError) in
            try ThreadNamespaces.separateWorkingDirectory()
            try ThreadNamespaces.changeDirectory(to: store)
            let overlays = try root.overlays()
            let views = try identity.views()
            try process.enterMountsAndHostname()
            if let hostname { try ThreadNamespaces.setHostname(hostname) }
            // On top of the present root, where nobody sees it: lookups of `/` start below it.
            try overlays[0].mount.attach(at: "/")
            return (overlays, views)
        }
        do throws(SandboxError) {
            try onKernel { () throws(KernelError) in
                for overlay in overlays.dropFirst() {
                    try overlay.mount.attach(at: overlay.mountPoint.description, below: overlays[0].mount)
                }
                for view in views { try view.attach(below: overlays[0].mount) }
            }
            try replaceRoot(by: overlays[0].mount, commit)
        } catch {
            // The new root goes; that cannot fail where attaching it did not.
            try? overlays[0].mount.detach()
            throw error
        }
    }

    private static func replaceRoot(
        by root: borrowing DetachedMount, _ commit: () throws(SandboxError) -> Void
    ) throws(SandboxError) {
        var moved: [String] = []
        do throws(SandboxError) {
            for name in kernelFilesystems {
                try onKernel { () throws(KernelError) in try root.adopt("/" + name, at: name) }
                moved.append(name)
            }
            try commit()
            try onKernel { () throws(KernelError) in try root.replaceRoot() }
        } catch {
            // The way back, which cannot fail where the way there did not.
            for name in moved { try? root.giveBack(name, to: "/" + name) }
            throw error
        }
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
