import Checkpoint
import JSON

extension RuntimeState {
    /// The captured processes that the protocol knows by an id.
    ///
    /// - Parameter source: the snapshot or sandbox that they are of, for messages.
    /// - Throws: `runtimeStateCorrupt`.
    func processTable(of source: String) throws(SandboxError) -> ProcessTableRecord {
        guard let json = try? JSONValue.parse(companion), let table = ProcessTableRecord(json: json) else {
            throw SandboxError(.malformed(reason: "the ids of its processes cannot be read"), of: source)
        }
        return table
    }
}
