// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// One contract per deployment: relays post what devices signed, the owner keeps the list of devices' keys.
// The relay writes here, verifiers read the logs and the registry. It never holds value, never calls another contract, and
// no post writes storage. docs/contract.md says what each byte means and what a verifier checks.

/// @title Cairn's anchors on an EVM ledger
/// @notice Relays post Merkle roots over signed anchors, or the anchors themselves; the owner registers and revokes keys.
/// @dev An anchor's domain has no chain id and no contract address on purpose: an anchor is a fact, valid on every ledger of
/// its deployment. Posting it twice emits its event twice and changes nothing.
contract CairnAnchor {
    /// @notice One entry of {registerKeys}.
    /// @param deviceId The device the key belongs to.
    /// @param keyId keccak256(X ‖ Y)[12..] of its public key, on either curve.
    struct DeviceKey {
        bytes32 deviceId;
        bytes20 keyId;
    }

    /// @dev Block times; 0 for never. Both fit one storage slot.
    struct Times {
        uint64 registeredAt;
        uint64 revokedAt;
    }

    /// @notice A relay posted the root of an RFC 9162 tree over relay leaves.
    event RootPosted(bytes32 indexed root);
    /// @notice The holder of `keyId` signed the anchor whose EIP-712 struct hash is `commitment`. It says nothing of whether
    /// that key is registered: see {keyStatus}.
    event Anchored(address indexed keyId, bytes32 indexed commitment);
    /// @notice The owner vouches for a key, from this block on.
    event KeyRegistered(bytes32 indexed deviceId, bytes20 indexed keyId);
    /// @notice The owner no longer vouches for a key, from this block on.
    event KeyRevoked(bytes20 indexed keyId);
    /// @notice `relay` may post from now on, or no longer.
    event RelaySet(address indexed relay, bool allowed);
    /// @notice The owner offers the ownership; zero takes an offer back.
    event OwnershipOffered(address indexed owner, address indexed pendingOwner);
    /// @notice The ownership changed hands.
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    /// @notice The caller may not post.
    error NotRelay(address caller);
    /// @notice The caller is not the owner.
    error NotOwner(address caller);
    /// @notice The ownership was not offered to the caller.
    error NotPendingOwner(address caller);
    /// @notice The zero address can be neither owner nor relay.
    error ZeroAddress();
    /// @notice A deployment id is 32 drawn bytes, not zero.
    error ZeroDeployment();
    /// @notice A key id of zero names no key.
    error ZeroKey();
    /// @notice There is nothing in the batch.
    error EmptyBatch();
    /// @notice `length` bytes are not a whole number of packed anchors: truncated, or bytes left over.
    error PackedLength(uint256 length);
    /// @notice The signature of anchor `index`, counted from 0, has its s in the upper half of the group order.
    error HighS(uint256 index);
    /// @notice The signature of anchor `index`, counted from 0, recovers to no key.
    error NoSigner(uint256 index);
    /// @notice The key was registered before.
    error KeyAlreadyRegistered(bytes20 keyId);
    /// @notice The key was revoked before; that is for good.
    error KeyAlreadyRevoked(bytes20 keyId);
    /// @notice The key was never registered.
    error KeyNotRegistered(bytes20 keyId);

    /// @notice Bytes of one packed anchor.
    uint256 public constant PACKED_BYTES = 161;

    /// @dev EIP-712 type hash of an anchor.
    bytes32 private constant ANCHOR_TYPE_HASH = keccak256(
        "Anchor(uint64 stream,uint32 batch,uint64 firstSeq,uint32 count,uint64 sealedAt,uint8 flags,bytes32 root,bytes32 prev)"
    );
    /// @dev EIP-712 type hash of the domain: no chain id and no contract address.
    bytes32 private constant DOMAIN_TYPE_HASH = keccak256("EIP712Domain(string name,string version,bytes32 salt)");
    /// @dev Half of secp256k1's group order, rounded down: the largest s of a low-S signature (EIP-2).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice Names the deployment; the salt of the EIP-712 domain.
    bytes32 public immutable deploymentId;
    /// @notice The EIP-712 domain separator that every anchor of this deployment is signed under.
    bytes32 public immutable domainSeparator;

    /// @notice Who registers and revokes keys and says who may post.
    address public owner;
    /// @notice To whom the ownership is offered; zero when to nobody.
    address public pendingOwner;
    /// @notice Who may post.
    mapping(address relay => bool allowed) public isRelay;

    mapping(bytes20 keyId => Times) private _keys;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    modifier onlyRelay() {
        if (!isRelay[msg.sender]) revert NotRelay(msg.sender);
        _;
    }

    /// @param deploymentId_ 32 bytes drawn once for the deployment, the same on every ledger it uses.
    /// @param owner_ The first owner, often a multi-signature account.
    constructor(bytes32 deploymentId_, address owner_) {
        if (deploymentId_ == 0) revert ZeroDeployment();
        if (owner_ == address(0)) revert ZeroAddress();
        deploymentId = deploymentId_;
        domainSeparator = keccak256(abi.encode(DOMAIN_TYPE_HASH, keccak256("Cairn"), keccak256("1"), deploymentId_));
        owner = owner_;
        emit OwnershipTransferred(address(0), owner_);
    }

    // ---- what relays post ----------------------------------------------------------------------------------------------

    /// @notice Posts the root of a tree over relay leaves. Relays only; writes no storage.
    /// @param root RFC 9162 root over the relay leaves, SHA-256.
    function postRoot(bytes32 root) external onlyRelay {
        emit RootPosted(root);
    }

    /// @notice Recovers the key of each packed anchor and emits {Anchored} for it, in order. Relays only; writes no storage.
    /// @dev All or nothing: the first anchor that has a high-S signature, or one that recovers to no key, reverts the call
    /// with its index. A signature over other bytes, or under another deployment, recovers to a key that nobody registered:
    /// a stateless contract cannot tell, the registry can.
    /// @param packed Anchors of {PACKED_BYTES} bytes each without anything between or after them, big-endian:
    /// stream 8, batch 4, firstSeq 8, count 4, sealedAt 8, flags 1, root 32, prev 32, r 32, yParityAndS 32 (EIP-2098).
    function anchorMany(bytes calldata packed) external onlyRelay {
        if (packed.length == 0) revert EmptyBatch();
        if (packed.length % PACKED_BYTES != 0) revert PackedLength(packed.length);

        uint256 buffer = _anchorBuffer();
        uint256 count = packed.length / PACKED_BYTES;
        for (uint256 index = 0; index < count; ++index) {
            uint256 start;
            assembly ("memory-safe") {
                start := add(packed.offset, mul(index, PACKED_BYTES))
            }
            (bytes32 commitment, uint256 s, address keyId) = _recover(start, buffer);
            if (s > HALF_ORDER) revert HighS(index);
            if (keyId == address(0)) revert NoSigner(index);
            emit Anchored(keyId, commitment);
        }
    }

    /// @dev Memory that {_recover} uses again for each anchor, so that a long batch pays for no new memory. In words:
    ///   0      the type hash of an anchor
    ///   1..8   the anchor's fields in the order of the type
    ///   9..11  0x1901, the domain separator and the struct hash, starting at byte 30 of word 9
    ///   12..15 the input of ecrecover: digest, v, r, s
    ///   16     its output
    /// @return buffer Where it starts.
    function _anchorBuffer() private view returns (uint256 buffer) {
        bytes32 typeHash = ANCHOR_TYPE_HASH;
        bytes32 domain = domainSeparator;
        assembly ("memory-safe") {
            buffer := mload(0x40)
            mstore(0x40, add(buffer, 0x220))
            mstore(buffer, typeHash)
            mstore(add(buffer, 0x120), 0x1901)
            mstore(add(buffer, 0x140), domain)
        }
    }

    /// @dev Assembly because this is the one loop that a deployment pays for by the million.
    /// @param start Where in calldata the packed anchor starts; the caller knows that all of it is there.
    /// @param buffer As {_anchorBuffer} made it.
    /// @return commitment The anchor's EIP-712 struct hash.
    /// @return s The lower half of the signature; the caller refuses it when high.
    /// @return keyId Who signed; zero when nobody can have.
    function _recover(uint256 start, uint256 buffer) private view returns (bytes32 commitment, uint256 s, address keyId) {
        assembly ("memory-safe") {
            let head := calldataload(start)
            mstore(add(buffer, 0x20), shr(192, head)) // stream
            mstore(add(buffer, 0x40), and(shr(160, head), 0xffffffff)) // batch
            mstore(add(buffer, 0x60), and(shr(96, head), 0xffffffffffffffff)) // firstSeq
            mstore(add(buffer, 0x80), and(shr(64, head), 0xffffffff)) // count
            mstore(add(buffer, 0xa0), and(head, 0xffffffffffffffff)) // sealedAt
            mstore(add(buffer, 0xc0), shr(248, calldataload(add(start, 32)))) // flags
            calldatacopy(add(buffer, 0xe0), add(start, 33), 64) // root, prev
            commitment := keccak256(buffer, 0x120)

            mstore(add(buffer, 0x160), commitment)
            mstore(add(buffer, 0x180), keccak256(add(buffer, 0x13e), 66))

            let yParityAndS := calldataload(add(start, 129))
            s := and(yParityAndS, 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff)
            mstore(add(buffer, 0x1a0), add(27, shr(255, yParityAndS)))
            mstore(add(buffer, 0x1c0), calldataload(add(start, 97)))
            mstore(add(buffer, 0x1e0), s)
            // Some ledgers' ecrecover gives nothing on failure and some a zero: zero before, and zero means nobody.
            mstore(add(buffer, 0x200), 0)
            pop(staticcall(gas(), 1, add(buffer, 0x180), 0x80, add(buffer, 0x200), 0x20))
            keyId := mload(add(buffer, 0x200))
        }
    }

    // ---- the registry of keys ------------------------------------------------------------------------------------------

    /// @notice Registers a device's key, from this block on. Owner only. Once per key, and never after its revocation.
    function registerKey(bytes32 deviceId, bytes20 keyId) external onlyOwner {
        _register(deviceId, keyId);
    }

    /// @notice Registers many keys, all or none. Owner only.
    function registerKeys(DeviceKey[] calldata keys) external onlyOwner {
        if (keys.length == 0) revert EmptyBatch();
        for (uint256 i = 0; i < keys.length; ++i) {
            _register(keys[i].deviceId, keys[i].keyId);
        }
    }

    /// @notice Revokes a key for good, from this block on. Owner only. What it signed and was included before stays good.
    function revokeKey(bytes20 keyId) external onlyOwner {
        Times storage times = _keys[keyId];
        if (times.registeredAt == 0) revert KeyNotRegistered(keyId);
        if (times.revokedAt != 0) revert KeyAlreadyRevoked(keyId);
        times.revokedAt = uint64(block.timestamp);
        emit KeyRevoked(keyId);
    }

    /// @notice When a key was registered and revoked, in block time (Unix seconds); 0 for never.
    function keyStatus(bytes20 keyId) external view returns (uint64 registeredAt, uint64 revokedAt) {
        Times storage times = _keys[keyId];
        return (times.registeredAt, times.revokedAt);
    }

    function _register(bytes32 deviceId, bytes20 keyId) private {
        if (keyId == 0) revert ZeroKey();
        Times storage times = _keys[keyId];
        if (times.revokedAt != 0) revert KeyAlreadyRevoked(keyId);
        if (times.registeredAt != 0) revert KeyAlreadyRegistered(keyId);
        times.registeredAt = uint64(block.timestamp);
        emit KeyRegistered(deviceId, keyId);
    }

    // ---- who may do what -----------------------------------------------------------------------------------------------

    /// @notice Allows an account to post, or forbids it. Owner only.
    function setRelay(address relay, bool allowed) external onlyOwner {
        if (relay == address(0)) revert ZeroAddress();
        isRelay[relay] = allowed;
        emit RelaySet(relay, allowed);
    }

    /// @notice Offers the ownership; it changes hands when the other side accepts. Zero takes the offer back. Owner only.
    function transferOwnership(address newOwner) external onlyOwner {
        pendingOwner = newOwner;
        emit OwnershipOffered(owner, newOwner);
    }

    /// @notice Accepts the ownership that was offered to the caller.
    function acceptOwnership() external {
        if (msg.sender != pendingOwner) revert NotPendingOwner(msg.sender);
        emit OwnershipTransferred(owner, msg.sender);
        owner = msg.sender;
        pendingOwner = address(0);
    }
}
