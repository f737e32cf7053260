import Glibc
import Kernel
import Testing

@testable import Store

@Suite struct CrashTests {
    /// Kills an engine at a random moment of its work: whatever it had answered is there, whatever it had not is gone.
    @Test(arguments: 0..<12)
    func killedEngineLosesNothingThatWasAnswered(_ round: Int) async throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        try writeFile("answered", "", in: folder.directory)
        let delay = 20_000 + UInt32(round) * 7_000 + UInt32.random(in: 0..<7_000)
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, delay = delay as UInt32] in
            inBackground {
                usleep(delay)
                kill(getpid(), SIGKILL)
            }
            try CrashingEngine.workForever(path)
        }

        let store = try folder.openStore()
        #expect(try store.listSandboxes().records.isEmpty)
        #expect(try store.listSandboxes().damaged.isEmpty)
        #expect(try store.allStaging.entries().map(\.name) == [store.engine.path])
        let report = try store.collectGarbage()
        #expect(report.blockedBy.isEmpty)
        let snapshots = try store.listSnapshots()
        #expect(snapshots.damaged.isEmpty)
        let present = Set(snapshots.records.map(\.id.rawValue))
        let log = try readFile("answered", in: folder.directory).split(separator: "\n").map(String.init)
        let deleted = Set(log.filter { $0.hasPrefix("deleting ") }.map { String($0.dropFirst(9)) })
        for id in log where id.hasPrefix("snap") && !deleted.contains(id) { #expect(present.contains(id)) }
        // At most the one whose answer the kill forestalled is there without having been answered.
        #expect(present.subtracting(log).count <= 1)
        for layer in snapshots.records.flatMap(\.layers) { _ = try store.openContent(layer) }
        #expect(try store.collectGarbage() == GarbageReport())
        // And the store still works.
        var sandbox = try store.createSandbox(NewSandbox(image: .host))
        _ = try store.seal(&sandbox)
    }

    @Test func halfMadeObjectsOfADeadEngineGo() throws {
        let folder = try TemporaryFolder()
        let store = try folder.openStore()
        try writeFile("store/engines/engine0123456789abcdef.lock", "", in: folder.directory)
        try folder.directory.makeDirectory("store/staging/engine0123456789abcdef", permissions: 0o700)
        try folder.directory.makeDirectory("store/staging/engine0123456789abcdef/layer", permissions: 0o000)
        let second = try folder.openStore()
        let present = try second.allStaging.entries().map(\.name).sorted()
        #expect(present == [store.engine.path, second.engine.path].sorted())
        #expect(try second.engines.entries().count == 2)
        #expect(try second.collectGarbage().files == 2)
    }
}

/// What the killed engine does until then.
enum CrashingEngine {
    static func workForever(_ path: String) throws {
        let store = try Store.open(path + "/store")
        let log = try OwnedFD.open(FilePath(verbatim: path + "/answered"), [.write, .create], permissions: 0o600)
        while true {
            var sandbox = try store.createSandbox(NewSandbox(image: .host))
            var last: SnapshotID?
            for round in 0..<20 {
                let upper = try openFolder(store.overlays(of: sandbox)[0].upper)
                try writeFile("file\(round)", "text", in: upper)
                var record = SnapshotRecord(sandbox: sandbox.id, image: .host, layers: [], sizeBytes: 0)
                if round % 3 == 0 {
                    let staged = try store.copyUpper(of: sandbox)
                    record.layers = [staged.id] + sandbox.layers
                    try store.createSnapshot(record, adding: staged)
                } else {
                    let sealed = try store.seal(&sandbox)
                    try store.discardFiles(sealed.previousFiles, of: sandbox.id)
                    record.layers = sandbox.layers
                    try store.createSnapshot(record)
                }
                try log.writeAll(Array("\(record.id)\n".utf8))
                if let last, round % 4 == 0 {
                    try log.writeAll(Array("deleting \(last)\n".utf8))
                    try store.deleteSnapshot(last)
                }
                last = record.id
                for candidate in try store.mergeCandidates(in: sandbox.layers) {
                    try store.merge(candidate, image: .host, base: [])
                }
            }
            try store.deleteSandbox(sandbox.id)
            _ = try store.collectGarbage()
        }
    }
}

/// Runs `body` on a thread of its own and does not wait for it.
func inBackground(_ body: @escaping @Sendable () -> Void) {
    final class Job: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let job = Unmanaged.passRetained(Job(body)).toOpaque()
    let result = pthread_create(
        &thread, nil,
        { context in
            Unmanaged<Job>.fromOpaque(context!).takeRetainedValue().body()
            return nil
        }, job)
    precondition(result == 0, "a thread cannot be made")
    pthread_detach(thread)
}
