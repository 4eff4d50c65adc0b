#include "common/peer.h"

const char *peer_verdict_name(enum peer_verdict v)
{
	switch (v) {
	case PEER_TRUSTED:
		return "trusted";
	case PEER_NO_CERTIFICATE:
		return "no_certificate";
	case PEER_CHAIN_INVALID:
		return "chain_invalid";
	case PEER_NOT_YET_VALID:
		return "not_yet_valid";
	case PEER_EXPIRED:
		return "expired";
	case PEER_REVOKED:
		return "revoked";
	case PEER_CRL_EXPIRED:
		return "crl_expired";
	case PEER_CRL_MISSING:
		return "crl_missing";
	case PEER_WRONG_USAGE:
		return "wrong_usage";
	case PEER_WEAK:
		return "weak";
	case PEER_DN_UNUSABLE:
		return "dn_unusable";
	case PEER_DN_UNKNOWN:
		return "dn_unknown";
	case PEER_MATCH_INCOMPLETE:
		return "match_incomplete";
	case PEER_CA_MISMATCH:
		return "ca_mismatch";
	case PEER_PIN_MISMATCH:
		return "pin_mismatch";
	case PEER_DOMAIN_DISABLED:
		return "domain_disabled";
	case PEER_DOMAIN_BLOCKED:
		return "domain_blocked";
	case PEER_OBSERVED:
		return "observed";
	case PEER_NAME_MISMATCH:
		return "name_mismatch";
	case PEER_PLAIN:
		return "plain";
	case PEER_VERDICT_COUNT:
		break;
	}
	return "unknown";
}
