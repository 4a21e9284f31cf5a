"""Messages for people, by any service that Apprise knows: phone, chat, mail."""
