"""Prints a fresh ECDSA key and certificate in PEM, for peers whose own would be RSA."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whip")])
now = datetime.datetime.now(datetime.timezone.utc)
day = datetime.timedelta(days=1)
made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
made = made.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
certificate = made.sign(key, hashes.SHA256())
pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
print(certificate.public_bytes(serialization.Encoding.PEM).decode(), end="")
print(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain).decode(), end="")
