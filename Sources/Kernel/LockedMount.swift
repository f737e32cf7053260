import CKernel
import Glibc

extension DetachedMount {
    /// Enough for one system call.
    private static let stackSize = 16 * 1024

    /// A copy of this mount, with all beneath, whose attributes nobody can take back who is not privileged over the engine's own
    /// namespaces, whatever capabilities they have over the sandbox's.
    ///
    /// - Parameter place: an empty folder of the engine's mount namespace, where the mount is attached meanwhile.
    public func locked(byWayOf place: String) throws(KernelError) -> DetachedMount {
        try attach(at: place)
        // The copy is made of the working directory; that, and what is made of it here, go with a thread of its own.
        let tree = try Thread.run(name: "locked mount") { () throws(KernelError) in
            try ThreadNamespaces.separateWorkingDirectory()
            try ThreadNamespaces.changeDirectory(to: place)
            defer {
                // A mount that stays in the engine's namespace goes with the engine.
                try? ThreadNamespaces.changeDirectory(to: "/")
                try? MountTree.detach(place)
            }
            return try Self.copyLocked()
        }
        return DetachedMount(takingOver: OwnedFD(takingOver: tree))
    }

    private static func copyLocked() throws(KernelError) -> Int32 {
        let stack = UnsafeMutableRawPointer.allocate(byteCount: stackSize, alignment: 16)
        // unsafe: the child has ended when the call below returns, so that the memory outlives its use.
        defer { unsafe stack.deallocate() }
        var tree: Int32 = -1
        let child = try OrphanReaper.makingAwaitedChild { () throws(KernelError) in
            try check("clone", "a user and a mount namespace") {
                unsafe ck_copy_locked_tree(stack, stackSize, &tree)
            }
        }
        OrphanReaper.hasReaped(child)
        if tree < 0 { throw KernelError("open_tree", errno: Errno(rawValue: -tree)) }
        return tree
    }
}
