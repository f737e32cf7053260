import Kernel

/// The objects of one kind: the readable ones, and the damaged ones by name with the reason.
public struct Listing<Record: Sendable>: Sendable {
    public var records: [Record] = []
    public var damaged: [(id: String, error: StoreError)] = []
}

// How objects of every kind appear, are listed and go away.
extension Store {
    /// Makes `staging/<engine>/<name>` and lends it to `body`, which publishes it; if `body` fails, the folder is removed.
    func stagingFolder(
        _ name: FilePath, _ body: (borrowing OwnedFD) throws(StoreError) -> Void
    ) throws(StoreError) {
        let folder = try onDisk { () throws(KernelError) in
            try staging.makeDirectory(name, permissions: 0o700)
            return try staging.openDirectory(name)
        }
        do throws(StoreError) {
            try body(folder)
        } catch {
            try discardStaged(name)
            throw error
        }
    }

    func discardStaged(_ name: FilePath) throws(StoreError) {
        _ = try onDisk { () throws(KernelError) in try TreeRemover.remove(name, in: staging) }
    }

    /// Lets a staged folder appear under its name. Call within `changing`.
    func publish(_ name: FilePath, in folder: borrowing OwnedFD) throws(StoreError) {
        do throws(KernelError) {
            try staging.rename(name, to: name, in: folder, ifTaken: .refuse)
        } catch {
            throw StoreError(error)
        }
    }

    /// Moves an object to the trash: from here on nobody sees it.
    func moveToTrash(_ name: FilePath, from folder: borrowing OwnedFD, ifMissing: StoreError) throws(StoreError) {
        let lock = try StoreLock.take(.shared, in: root, storePath: path)
        do throws(KernelError) {
            try folder.rename(name, to: trashName(name.description), in: trash)
        } catch {
            if error.errno == .noSuchFile { throw ifMissing }
            throw StoreError(error)
        }
        lock.release()
    }

    /// A new name in the trash that still tells what lies there.
    func trashName(_ name: String) -> FilePath { FilePath(verbatim: "\(name)-\(randomHex16())") }

    /// Reads all objects of a folder; what goes away meanwhile is left out.
    func list<ID: ObjectID, Record>(
        _ folder: borrowing OwnedFD, _ read: (ID) throws(StoreError) -> Record
    ) throws(StoreError) -> Listing<Record> {
        var listing = Listing<Record>()
        for id: ID in try identifiers(in: folder) {
            do throws(StoreError) {
                listing.records.append(try read(id))
            } catch {
                switch error {
                case .snapshotNotFound, .sandboxNotFound: continue
                case .snapshotCorrupt, .sandboxCorrupt, .newerVersion: listing.damaged.append((id.rawValue, error))
                default: throw error
                }
            }
        }
        return listing
    }

    /// The entries of a folder that are named like objects of the kind.
    func identifiers<ID: ObjectID>(in folder: borrowing OwnedFD) throws(StoreError) -> [ID] {
        do throws(KernelError) {
            return try folder.entries().compactMap { ID(rawValue: $0.name.description) }
        } catch {
            throw StoreError(error)
        }
    }
}
