import CJansson

extension JSONValue {
    /// Decodes one JSON text (RFC 8259), by jansson.
    ///
    /// Stricter than the RFC asks: a name that occurs twice in an object, an integer beyond 64 bits, a number beyond
    /// a double's range and nesting deeper than 2048 (jansson's `JSON_PARSER_MAX_DEPTH`) are errors. U+0000 is
    /// accepted in strings and refused in names.
    ///
    /// The deepest text takes up to 512 KiB of the calling thread's stack (4 MiB in a debug build).
    ///
    /// - Parameter bytes: the whole text, in UTF-8 without a byte order mark.
    public static func parse(_ bytes: [UInt8]) throws(JSONParseError) -> JSONValue {
        try ParsedText(bytes).value()
    }
}

/// The one owner of what jansson made of a text: released exactly once, when the owner goes away.
@safe private struct ParsedText: ~Copyable {
    private let root: UnsafeMutablePointer<json_t>

    init(_ bytes: [UInt8]) throws(JSONParseError) {
        let flags = Int(JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)
        var error = json_error_t()
        // unsafe: the bytes outlive the call, and jansson keeps no pointer into them.
        let parsed = unsafe bytes.withUnsafeBytes { buffer in
            // An empty array may have no address, for which jansson has no place in its error.
            let start = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            return unsafe start.flatMap { unsafe json_loadb($0, buffer.count, flags, &error) }
        }
        guard let parsed = unsafe parsed else {
            throw bytes.isEmpty ? JSONParseError(line: 1, column: 1, text: "the text is empty") : error.swift
        }
        unsafe root = parsed
    }

    deinit {
        // unsafe: `root` came from json_loadb with one reference, which is given back here.
        unsafe json_decref(root)
    }

    func value() throws(JSONParseError) -> JSONValue {
        // unsafe: `root` is alive as long as self.
        try unsafe convert(root)
    }
}

/// Copies a value of jansson's, and all below it.
///
/// It recurses no deeper than jansson's parser did, which stops at 2048.
private func convert(_ source: UnsafeMutablePointer<json_t>) throws(JSONParseError) -> JSONValue {
    // unsafe: `source` is a live value, and each accessor is called on the type it is for.
    switch unsafe source.pointee.type {
    case JSON_NULL: return .null
    case JSON_TRUE: return .bool(true)
    case JSON_FALSE: return .bool(false)
    case JSON_INTEGER: return unsafe .int(json_integer_value(source))
    case JSON_REAL: return unsafe .double(json_real_value(source))
    case JSON_STRING: return unsafe .string(text(json_string_value(source), json_string_length(source)))
    case JSON_ARRAY: return .array(try unsafe convertElements(of: source))
    case JSON_OBJECT: return .object(try unsafe convertMembers(of: source))
    default: preconditionFailure("jansson returned a value of an unknown type")
    }
}

private func convertElements(of array: UnsafeMutablePointer<json_t>) throws(JSONParseError) -> [JSONValue] {
    // unsafe: `array` is a live array, and the index is below its size, so that every element exists.
    let count = unsafe json_array_size(array)
    var elements: [JSONValue] = []
    elements.reserveCapacity(count)
    for index in 0..<count {
        elements.append(try unsafe convert(json_array_get(array, index)))
    }
    return elements
}

private func convertMembers(of object: UnsafeMutablePointer<json_t>) throws(JSONParseError) -> [String: JSONValue] {
    // unsafe: `object` is a live object that is not changed during the iteration, so the iterator stays valid.
    var members: [String: JSONValue] = [:]
    members.reserveCapacity(unsafe json_object_size(object))
    var iterator = unsafe json_object_iter(object)
    while let current = unsafe iterator {
        let name = unsafe text(json_object_iter_key(current), json_object_iter_key_len(current))
        let value = try unsafe convert(json_object_iter_value(current))
        // jansson compares names byte by byte, Swift by canonical equivalence: "é" in its two spellings is one name.
        guard members.updateValue(value, forKey: name) == nil else {
            throw JSONParseError(line: 0, column: 0, text: "two spellings of the same object name '\(name)'")
        }
        unsafe iterator = unsafe json_object_iter_next(object, current)
    }
    return members
}

/// Copies text that jansson has checked to be UTF-8.
private func text(_ start: UnsafePointer<CChar>, _ count: Int) -> String {
    // unsafe: jansson says how many bytes there are, U+0000 included.
    unsafe String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
}

extension json_error_t {
    fileprivate var swift: JSONParseError {
        // unsafe: `text` is a C array that jansson ends with a zero byte; its last byte is a numeric code.
        let phrase = unsafe withUnsafeBytes(of: text) { buffer in
            unsafe String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
        }
        return JSONParseError(line: Int(line), column: Int(column), text: phrase)
    }
}
