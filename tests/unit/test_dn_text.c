/*
 * dn_text: the keywords that stand for attribute types.  In the slash form one
 * that is missing is no error but part of the value before it, so the table
 * must know what OpenSSL prints.
 */
#include <criterion/criterion.h>
#include <openssl/objects.h>

#include "common/dn_internal.h"

/* Every attribute that a subject may well have, by both names that OpenSSL prints of it, leads to its OID. */
Test(dn_text, keywords_of_openssl)
{
	static const int nids[] = { NID_commonName, NID_serialNumber, NID_countryName, NID_localityName, NID_stateOrProvinceName,
		NID_streetAddress, NID_organizationName, NID_organizationalUnitName, NID_title, NID_description,
		NID_businessCategory, NID_postalAddress, NID_postalCode, NID_postOfficeBox, NID_physicalDeliveryOfficeName,
		NID_telephoneNumber, NID_telexNumber, NID_facsimileTelephoneNumber, NID_x121Address,
		NID_internationaliSDNNumber, NID_registeredAddress, NID_destinationIndicator, NID_member, NID_owner,
		NID_roleOccupant, NID_seeAlso, NID_name, NID_givenName, NID_initials, NID_generationQualifier,
		NID_x500UniqueIdentifier, NID_dnQualifier, NID_distinguishedName, NID_uniqueMember, NID_houseIdentifier,
		NID_dmdName, NID_pseudonym, NID_role, NID_organizationIdentifier, NID_countryCode3c, NID_countryCode3n,
		NID_dnsName, NID_domainComponent, NID_userId, NID_rfc822Mailbox, NID_info, NID_roomNumber, NID_userClass,
		NID_host, NID_associatedDomain, NID_friendlyCountryName, NID_organizationalStatus, NID_buildingName,
		NID_pkcs9_emailAddress, NID_pkcs9_unstructuredName, NID_pkcs9_unstructuredAddress, NID_jurisdictionLocalityName,
		NID_jurisdictionStateOrProvinceName, NID_jurisdictionCountryName };

	for (size_t i = 0; i < ARRAY_LEN(nids); i++) {
		const ASN1_OBJECT *o = OBJ_nid2obj(nids[i]);
		struct span oid = span_of(OBJ_get0_data(o), OBJ_length(o));
		const char *names[] = { OBJ_nid2sn(nids[i]), OBJ_nid2ln(nids[i]) };

		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			const struct dn_keyword *row = dn_keyword_of(span_str(names[k]));

			cr_assert_not_null(row, "%s", names[k]);
			cr_expect(span_eq(span_of(row->oid, row->oid_len), oid), "%s", names[k]);
		}
	}
}
