import JSON
import Kernel

// The one place where records become JSON and back.

extension SandboxRecord {
    var json: JSONValue {
        .object([
            "id": .string(id.rawValue), "name": .optional(name), "labels": .strings(labels),
            "state": .string(state.rawValue), "owner": .string(owner.rawValue), "image": image.json,
            "layers": .identifiers(layers), "baseLayers": .identifiers(baseLayers), "files": .string(files.rawValue),
            "overlayMountPoints": .array(overlayMountPoints.map { .string($0.description) }),
            "createdAt": .int(createdAt.nanoseconds), "parentSnapshot": .optional(parentSnapshot?.rawValue),
            "config": config,
        ])
    }

    init(json: JSONValue) throws(Manifest.Damage) {
        let fields = try ManifestFields(json)
        id = try fields.identifier("id")
        name = try fields.optionalString("name")
        labels = try fields.strings("labels")
        guard let state = State(rawValue: try fields.string("state")) else { throw .corrupt("its state is unknown") }
        self.state = state
        owner = try fields.identifier("owner")
        image = try ImageUse(json: fields.value("image"))
        layers = try fields.identifiers("layers")
        baseLayers = try fields.identifiers("baseLayers", ifMissing: [])
        files = try fields.identifier("files")
        overlayMountPoints = try fields.texts("overlayMountPoints").map { (text) throws(Manifest.Damage) in
            guard let path = FilePath(text) else { throw .corrupt("a mount point holds a NUL") }
            return path
        }
        createdAt = FileTime(nanoseconds: try fields.int("createdAt"))
        parentSnapshot = try fields.optionalIdentifier("parentSnapshot")
        config = try fields.value("config")
    }
}

extension SnapshotRecord {
    var json: JSONValue {
        .object([
            "id": .string(id.rawValue), "name": .optional(name), "labels": .strings(labels),
            "sandbox": .string(sandbox.rawValue), "parentSnapshot": .optional(parentSnapshot?.rawValue),
            "image": image.json, "layers": .identifiers(layers), "baseLayers": .identifiers(baseLayers),
            "createdAt": .int(createdAt.nanoseconds), "sizeBytes": .int(sizeBytes), "config": config,
        ])
    }

    init(json: JSONValue) throws(Manifest.Damage) {
        let fields = try ManifestFields(json)
        id = try fields.identifier("id")
        name = try fields.optionalString("name")
        labels = try fields.strings("labels")
        sandbox = try fields.identifier("sandbox")
        parentSnapshot = try fields.optionalIdentifier("parentSnapshot")
        image = try ImageUse(json: fields.value("image"))
        layers = try fields.identifiers("layers")
        baseLayers = try fields.identifiers("baseLayers", ifMissing: [])
        createdAt = FileTime(nanoseconds: try fields.int("createdAt"))
        sizeBytes = try fields.int("sizeBytes")
        config = try fields.value("config")
    }
}

extension LayerRecord {
    var json: JSONValue {
        .object([
            "id": .string(id.rawValue), "createdAt": .int(createdAt.nanoseconds), "generation": .int(generation),
            "replaces": .identifiers(replaces),
        ])
    }

    init(json: JSONValue) throws(Manifest.Damage) {
        let fields = try ManifestFields(json)
        id = try fields.identifier("id")
        createdAt = FileTime(nanoseconds: try fields.int("createdAt"))
        generation = try fields.int("generation")
        replaces = try fields.identifiers("replaces")
    }
}

extension ImageRecord {
    var json: JSONValue {
        .object([
            "digest": .string(digest.rawValue), "layers": .identifiers(layers),
            "createdAt": .int(createdAt.nanoseconds), "sizeBytes": .int(sizeBytes), "config": config,
        ])
    }

    init(json: JSONValue) throws(Manifest.Damage) {
        let fields = try ManifestFields(json)
        guard let digest = ImageDigest(rawValue: try fields.string("digest")) else { throw .corrupt("no digest") }
        self.digest = digest
        layers = try fields.identifiers("layers")
        createdAt = FileTime(nanoseconds: try fields.int("createdAt"))
        sizeBytes = try fields.int("sizeBytes")
        config = try fields.value("config")
    }
}

extension ImageReference {
    var json: JSONValue { .object(["reference": .string(reference), "digest": .string(digest.rawValue)]) }

    init(json: JSONValue) throws(Manifest.Damage) {
        let fields = try ManifestFields(json)
        reference = try fields.string("reference")
        guard let digest = ImageDigest(rawValue: try fields.string("digest")) else { throw .corrupt("no digest") }
        self.digest = digest
    }
}

extension ImageUse {
    fileprivate var json: JSONValue {
        .object([
            "reference": .string(reference), "digest": .optional(digest?.rawValue), "layers": .identifiers(layers),
        ])
    }

    fileprivate init(json: JSONValue) throws(Manifest.Damage) {
        let fields = try ManifestFields(json)
        reference = try fields.string("reference")
        let digestText = try fields.optionalString("digest")
        digest = digestText.flatMap(ImageDigest.init(rawValue:))
        if digestText != nil, digest == nil { throw .corrupt("the image's digest is malformed") }
        layers = try fields.identifiers("layers")
    }
}

extension JSONValue {
    fileprivate static func optional(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }

    fileprivate static func strings(_ texts: [String: String]) -> JSONValue {
        .object(texts.mapValues(JSONValue.string))
    }

    fileprivate static func identifiers(_ ids: [some ObjectID]) -> JSONValue {
        .array(ids.map { .string($0.rawValue) })
    }
}

/// Typed access to a manifest's fields; what is missing or of another type is damage.
private struct ManifestFields {
    private let fields: [String: JSONValue]

    init(_ json: JSONValue) throws(Manifest.Damage) {
        guard case .object(let fields) = json else { throw .corrupt("it is not an object") }
        self.fields = fields
    }

    func value(_ name: String) throws(Manifest.Damage) -> JSONValue {
        guard let value = fields[name] else { throw .corrupt("it lacks '\(name)'") }
        return value
    }

    func string(_ name: String) throws(Manifest.Damage) -> String {
        guard case .string(let text) = try value(name) else { throw .corrupt("'\(name)' is no string") }
        return text
    }

    func optionalString(_ name: String) throws(Manifest.Damage) -> String? {
        if case .null = try value(name) { return nil }
        return try string(name)
    }

    func int(_ name: String) throws(Manifest.Damage) -> Int64 {
        guard case .int(let number) = try value(name) else { throw .corrupt("'\(name)' is no integer") }
        return number
    }

    func identifier<ID: ObjectID>(_ name: String) throws(Manifest.Damage) -> ID {
        guard let id = ID(rawValue: try string(name)) else { throw .corrupt("'\(name)' is malformed") }
        return id
    }

    func optionalIdentifier<ID: ObjectID>(_ name: String) throws(Manifest.Damage) -> ID? {
        if case .null = try value(name) { return nil }
        return try identifier(name)
    }

    func texts(_ name: String) throws(Manifest.Damage) -> [String] {
        guard case .array(let items) = try value(name) else { throw .corrupt("'\(name)' is no array") }
        return try items.map { (item) throws(Manifest.Damage) in
            guard case .string(let text) = item else { throw .corrupt("'\(name)' holds something else than strings") }
            return text
        }
    }

    func identifiers<ID: ObjectID>(_ name: String) throws(Manifest.Damage) -> [ID] {
        try texts(name).map { (text) throws(Manifest.Damage) in
            guard let id = ID(rawValue: text) else { throw .corrupt("'\(name)' holds a malformed id") }
            return id
        }
    }

    /// For fields that earlier versions did not write.
    func identifiers<ID: ObjectID>(_ name: String, ifMissing missing: [ID]) throws(Manifest.Damage) -> [ID] {
        fields[name] == nil ? missing : try identifiers(name)
    }

    func strings(_ name: String) throws(Manifest.Damage) -> [String: String] {
        guard case .object(let items) = try value(name) else { throw .corrupt("'\(name)' is no object") }
        var texts: [String: String] = [:]
        for (key, item) in items {
            guard case .string(let text) = item else { throw .corrupt("'\(name)' holds something else than strings") }
            texts[key] = text
        }
        return texts
    }
}
