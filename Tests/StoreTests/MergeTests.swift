import Glibc
import Kernel
import Testing

@testable import Store

@Suite struct MergeTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Makes `count` random layers as folders `0`…, topmost first.
    private func makeLayers(_ count: Int, seed: UInt64) throws -> [SharedDirectory] {
        var random = RandomLayers(seed: seed)
        return try (0..<count).map { number in
            let name = FilePath(verbatim: "\(number)")
            try folder.directory.makeDirectory(name, permissions: 0o755)
            let layer = try folder.directory.openDirectory(name)
            try random.fill(layer)
            return SharedDirectory(layer)
        }
    }

    private func merge(_ run: ArraySlice<SharedDirectory>, on beneath: ArraySlice<SharedDirectory>? = nil) throws
        -> SharedDirectory
    {
        try folder.directory.makeDirectory("merged", permissions: 0o755)
        let merged = SharedDirectory(try folder.directory.openDirectory("merged"))
        let stack = beneath.map { LayerStack($0.map { (nil, $0) }, base: []) }
        try LayerMerger.merge(Array(run), beneath: stack, into: merged, isCancelled: { false })
        return merged
    }

    /// Whatever lies beneath, the merged layer shows what the layers showed.
    @Test(.enabled(if: isRoot, "only root makes whiteouts outside of a user namespace"), arguments: 0..<60)
    func mergedLayerShowsTheSame(_ seed: Int) throws {
        let layers = try makeLayers(7, seed: UInt64(seed))
        for (first, last) in [(0, 4), (1, 6), (2, 7)] {
            for beneath in [nil, layers[last...]] {
                let merged = try merge(layers[first..<last], on: beneath)
                let replaced = Array(layers[..<first]) + [merged] + Array(layers[last...])
                #expect(try listing(of: replaced) == listing(of: layers))
                // Also where other layers are missing.
                #expect(try listing(of: [merged]) == listing(of: Array(layers[first..<last])))
                try TreeRemover.remove("merged", in: folder.directory)
            }
        }
    }

    @Test(.enabled(if: isRoot, "only root mounts an overlay outside of a user namespace"), arguments: 100..<130)
    func kernelShowsTheSame(_ seed: Int) throws {
        let layers = try makeLayers(6, seed: UInt64(seed))
        try folder.directory.makeDirectory("mount", permissions: 0o755)
        let paths = (0..<6).map { "\(folder.path)/\($0)" }
        do {
            let overlay = try OverlayMount(lowers: paths, at: folder.path + "/mount")
            #expect(try listing(of: overlay.root) == listing(of: layers))
        }
        _ = try merge(layers[1..<5], on: layers[5...])
        let overlay = try OverlayMount(
            lowers: [paths[0], folder.path + "/merged", paths[5]], at: folder.path + "/mount")
        #expect(try listing(of: overlay.root) == listing(of: layers))
    }

    @Test func filesAreLinkedNotCopied() throws {
        let layers = try (0..<2).map { number in
            let name = FilePath(verbatim: "\(number)")
            try folder.directory.makeDirectory(name, permissions: 0o755)
            let layer = try folder.directory.openDirectory(name)
            try writeFile("file\(number)", "text", in: layer)
            return SharedDirectory(layer)
        }
        let merged = try merge(layers[...])
        #expect(
            try merged.descriptor.status(of: "file1").identity == layers[1].descriptor.status(of: "file1").identity)
    }
}

@Suite struct ChainTests {
    let folder: TemporaryFolder
    let store: Store

    init() throws {
        folder = try TemporaryFolder()
        store = try folder.openStore()
    }

    private func mergeAll(_ chain: [LayerID]) throws {
        while true {
            let runs = try store.mergeCandidates(in: chain)
            if runs.isEmpty { return }
            for run in runs { try store.merge(run, image: .host, base: []) }
        }
    }

    @Test func thousandSnapshotsKeepTheChainShort() throws {
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        var full: [LayerID] = []
        var longest = 0
        for number in 1...1000 {
            let upper = try openFolder(store.overlays(of: sandbox)[0].upper)
            try writeFile("file\(number % 40)", "\(number)", in: upper)
            let sealed = try store.seal(&sandbox)
            try store.discardFiles(sealed.previousFiles, of: sandbox.id)
            full.insert(sealed.layer, at: 0)
            try store.createSnapshot(
                SnapshotRecord(sandbox: sandbox.id, image: .host, layers: sandbox.layers, sizeBytes: 0))
            try mergeAll(sandbox.layers)
            longest = max(longest, sandbox.layers.count)
        }
        // 16 of the first generation before their merge, at most 15 of the second, 3 of the third.
        #expect(longest <= 16 + 15 + 3)
        #expect(try store.shortened(full).count <= 15 * 3)
        let other = try folder.openStore()
        #expect(try other.shortened(full) == store.shortened(full))
        let roots = try store.shortened(full).map { SharedDirectory(try store.openContent($0)) }
        let lines = try listing(of: roots)
        #expect(lines.count == 40)
        #expect(lines.contains("file0 regular 644 1000"))
        #expect(lines.contains("file1 regular 644 961"))
        #expect(try store.collectGarbage().layers == 0)
        #expect(try store.listSnapshots().records.count == 1000)
    }

    @Test func mergedLayersStayWhileAllThatTheyReplaceDoesAndGoAfterwards() throws {
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        var snapshots: [SnapshotID] = []
        var full: [LayerID] = []
        for _ in 0..<16 {
            full.insert(try store.seal(&sandbox).layer, at: 0)
            let record = SnapshotRecord(sandbox: sandbox.id, image: .host, layers: full, sizeBytes: 0)
            try store.createSnapshot(record)
            snapshots.append(record.id)
        }
        try mergeAll(full)
        try store.deleteSandbox(sandbox.id)
        #expect(try store.shortened(full).count == 1)
        #expect(try store.collectGarbage().layers == 0)
        let newest = try #require(snapshots.last)
        try store.deleteSnapshot(newest)
        // The newest layer and the merged layer that begins with it.
        #expect(try store.collectGarbage().layers == 2)
        #expect(try store.shortened(full) == full)
        let remaining = try #require(snapshots.dropLast().last)
        for id in snapshots.dropLast(2) { try store.deleteSnapshot(id) }
        #expect(try store.collectGarbage().layers == 0)
        try store.deleteSnapshot(remaining)
        #expect(try store.collectGarbage().layers == 15)
    }
}
