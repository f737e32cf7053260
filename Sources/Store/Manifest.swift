import JSON
import Kernel

/// A manifest's file: one JSON object that begins with the format's version and the payload's checksum.
///
///     {"format":1,"checksum":"fnv1a64:0123456789abcdef","payload":{…}}
///
/// The checksum is over the payload's bytes as they stand in the file, so that no two writers have to agree on a
/// canonical form, and a file that a power cut tore is told from a whole one.
enum Manifest {
    /// Raised when an older engine could misread what a newer one wrote.
    static let formatVersion: Int64 = 1

    enum Damage: Error {
        case unreadable(KernelError)
        case newerVersion(Int64)
        /// With the reason for people.
        case corrupt(String)
    }

    private static let checksumField = Array(#"{"format":\#(formatVersion),"checksum":"fnv1a64:"#.utf8)
    private static let payloadField = Array(#"","payload":"#.utf8)
    private static let checksumLength = 16
    private static let end = Array("}\n".utf8)

    static func encode(_ payload: JSONValue) -> [UInt8] {
        let payload = payload.serialized()
        return checksumField + hex(fnv1a64(payload)).utf8 + payloadField + payload + end
    }

    static func decode(_ file: [UInt8]) throws(Damage) -> JSONValue {
        let payloadStart = checksumField.count + checksumLength + payloadField.count
        guard file.starts(with: checksumField), file.prefix(payloadStart).ends(with: payloadField),
            file.ends(with: end), payloadStart <= file.count - end.count
        else { throw damage(of: file) }
        let payload = file[payloadStart..<(file.count - end.count)]
        let checksum = file[checksumField.count..<(checksumField.count + checksumLength)]
        guard checksum.elementsEqual(hex(fnv1a64(payload)).utf8) else {
            throw .corrupt("its checksum does not fit its content")
        }
        do throws(JSONParseError) {
            return try JSONValue.parse(Array(payload))
        } catch {
            throw .corrupt("it is no JSON although its checksum is right: \(error)")
        }
    }

    /// Why a file is no manifest of this version.
    private static func damage(of file: [UInt8]) -> Damage {
        do throws(JSONParseError) {
            if case .object(let fields) = try JSONValue.parse(file), case .int(let version)? = fields["format"],
                version > formatVersion
            {
                return .newerVersion(version)
            }
            return .corrupt("it lacks its checksum or payload")
        } catch {
            return .corrupt("it was torn by a power cut, or edited: \(error)")
        }
    }

    /// Writes a manifest into a folder that nobody else sees yet, or under a name that nobody reads.
    static func write(
        _ payload: JSONValue, as name: FilePath, in folder: borrowing OwnedFD
    ) throws(KernelError) {
        let file = try folder.open(name, [.write, .create, .truncate], permissions: 0o600)
        try file.writeAll(encode(payload))
    }

    /// Replaces a manifest in one step; readers see the old one or the new one. On failure the old one stays.
    ///
    /// - Parameter isFlushed: whether the kernel shall start to write the content to the disk, as ext4 does when a rename
    ///   replaces a file (auto_da_alloc, ext4(5)); that takes longer than all the rest.
    static func replace(
        _ payload: JSONValue, as name: FilePath, in folder: borrowing OwnedFD, isFlushed: Bool
    ) throws(KernelError) {
        if isFlushed { return try folder.rename(writeBeside(name, payload, in: folder), to: name) }
        guard let former = try exchange(name, for: payload, in: folder) else { return }
        // The new one is in force; what cannot be removed goes with the folder.
        try? folder.removeFile(former)
    }

    /// As `replace` without a flush; the former manifest goes to another folder, to be deleted with that.
    ///
    /// The kernel deletes no file whose content it is writing to the disk right now, and that may be in line behind all that
    /// the sandbox has just written.
    static func replace(
        _ payload: JSONValue, as name: FilePath, in folder: borrowing OwnedFD, movingFormerTo attic: borrowing OwnedFD
    ) throws(KernelError) {
        guard let former = try exchange(name, for: payload, in: folder) else { return }
        // As above.
        try? folder.rename(former, to: former, in: attic)
    }

    /// - Returns: the former manifest's name now; nil on a filesystem that cannot exchange: there is none any more.
    private static func exchange(
        _ name: FilePath, for payload: JSONValue, in folder: borrowing OwnedFD
    ) throws(KernelError) -> FilePath? {
        let temporary = try writeBeside(name, payload, in: folder)
        do throws(KernelError) {
            try folder.rename(temporary, to: name, ifTaken: .exchange)
            return temporary
        } catch let error where error.errno == .invalid {
            try folder.rename(temporary, to: name)
            return nil
        } catch {
            // The first failure is the one to tell.
            try? folder.removeFile(temporary)
            throw error
        }
    }

    /// Writes a manifest that is to replace the one of the given name.
    private static func writeBeside(
        _ name: FilePath, _ payload: JSONValue, in folder: borrowing OwnedFD
    ) throws(KernelError) -> FilePath {
        let temporary = FilePath(verbatim: "\(name).\(randomHex16()).new")
        try write(payload, as: temporary, in: folder)
        return temporary
    }

    /// - Returns: nil when there is no such file.
    static func read(_ name: FilePath, in folder: borrowing OwnedFD) throws(Damage) -> JSONValue? {
        let content: [UInt8]
        do throws(KernelError) {
            content = try folder.open(name, [.read]).readToEnd()
        } catch {
            if error.errno == .noSuchFile { return nil }
            throw .unreadable(error)
        }
        return try decode(content)
    }
}

extension Manifest {
    /// Reads and decodes the manifest of one object, with damage told as the store's error for that kind of object.
    static func read<Record>(
        _ name: FilePath, in folder: borrowing OwnedFD, of subject: String, ifMissing: StoreError,
        ifCorrupt: (_ reason: String) -> StoreError, _ decode: (JSONValue) throws(Damage) -> Record
    ) throws(StoreError) -> Record {
        do throws(Damage) {
            if let json = try read(name, in: folder) { return try decode(json) }
        } catch {
            switch error {
            case .unreadable(let error): throw StoreError(error)
            case .newerVersion(let version):
                throw .newerVersion(of: subject, version: version, supported: formatVersion)
            case .corrupt(let reason): throw ifCorrupt(reason)
            }
        }
        throw ifMissing
    }
}

extension RandomAccessCollection<UInt8> {
    fileprivate func ends(with bytes: [UInt8]) -> Bool { suffix(bytes.count).elementsEqual(bytes) }
}
