import Kernel
import Store
import Synchronization

/// Ready roots of the image `host` and of the images that sandboxes were made from last.
final class ReadyRoots: Sendable {
    /// Of how many images roots are kept ready besides `host`: who works with more of them waits for the mounts.
    private static let imageCapacity = 3

    private typealias Pool = ReadyPool<ReadyRoot>

    private struct State {
        /// The one that was used last comes first.
        var images: [(digest: ImageDigest, pool: Pool)] = []
        var isClosed = false
    }

    private let store: Store
    private let bases: BaseFilesystems
    private let host: ReadyPool<ReadyRoot>
    private let state = Mutex(State())

    init(store: Store, bases: BaseFilesystems) {
        self.store = store
        self.bases = bases
        host = Self.makePool(of: .host, store, bases)
    }

    private static func makePool(of image: ImageUse, _ store: Store, _ bases: BaseFilesystems) -> Pool {
        ReadyPool(name: "ready roots") { () throws(SandboxError) in
            try ReadyRoot(of: image, on: try bases.base(of: image), in: store)
        } discard: { root in
            // What cannot be removed now goes with the engine.
            try? store.discardSpareFiles(root.files)
        }
    }

    /// Makes roots of `host` ahead of need.
    func fill() { host.fill() }

    /// - Throws: `imageNotFound` when the image has been removed meanwhile.
    func take(of image: ImageUse) throws(SandboxError) -> ReadyRoot {
        guard let digest = image.digest else { return try host.take() }
        do throws(SandboxError) {
            // Every root that is ready may stand on layers that were removed and brought in again.
            for _ in 0...Pool.target {
                let root = try pool(of: image, digest).take()
                if try root.isCurrent(for: image, in: store) { return root }
                try onStore { () throws(StoreError) in try store.discardSpareFiles(root.files) }
            }
        } catch {
            _ = try onStore { () throws(StoreError) in try store.image(digest) }
            throw error
        }
        throw .store(.imageNotFound(image.reference))
    }

    private func pool(of image: ImageUse, _ digest: ImageDigest) -> Pool {
        let (pool, surplus) = state.withLock { state -> (Pool, Pool?) in
            var pool = Self.makePool(of: image, store, bases)
            if let place = state.images.firstIndex(where: { $0.digest == digest }) {
                pool = state.images.remove(at: place).pool
            }
            if state.isClosed { return (pool, pool) }
            state.images.insert((digest, pool), at: 0)
            let isFull = state.images.count > Self.imageCapacity
            return (pool, isFull ? state.images.removeLast().pool : nil)
        }
        surplus?.close()
        return pool
    }

    /// Discards what is ready of an image that is to be removed.
    func forget(_ digest: ImageDigest) {
        let pool = state.withLock { state in
            state.images.firstIndex { $0.digest == digest }.map { state.images.remove(at: $0).pool }
        }
        pool?.close()
    }

    /// Discards everything that is ready.
    func close() {
        let pools = state.withLock { state in
            state.isClosed = true
            defer { state.images = [] }
            return state.images.map(\.pool)
        }
        for pool in pools + [host] { pool.close() }
    }
}
